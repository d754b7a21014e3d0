"""Texts of people and of others: what is refused, and how the rest is shown."""

import io
import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from rich.table import Table as RichTable
from rich.text import Text

from commands.session import Terminal
from studio.contracts.base import MediaRef
from studio.contracts.clip import MotionPrompt, PromptText
from studio.contracts.model import Name
from studio.contracts.render import LoraName
from studio.contracts.texts import NotionPage, Title, markdown, printable

CONTROLS = ["\0", "\x07", "\x1b[31m", "\x7f", "\x9b2J", "\r", "\x85"]
OVERRIDES = ["\u202e", "\u202a", "\u2066", "\u2069"]
FINE = ["", "Harbour\tat dawn\nsecond line", "مرحبا \u200f عالم", "鍵 🔑 é", "a\r\nb", "~`*_[](){}<>#"]


def fits(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def test_titles_and_names_hold_no_control_characters_and_turn_no_writing_direction() -> None:
    for kind in (Title, Name, LoraName):
        assert not [text for text in CONTROLS + OVERRIDES if fits(kind, f"a{text}b")], kind
        assert [text for text in FINE if text and not fits(kind, text)] == [], kind
    with pytest.raises(ValidationError, match=r"character 2 is U\+202E \(right-to-left override\): leave it out"):
        TypeAdapter(Title).validate_python("a\u202eb")


def test_prompts_hold_no_control_characters() -> None:
    assert not [text for text in CONTROLS if fits(PromptText, f"a{text}b")]
    assert not [text for text in CONTROLS if fits(MotionPrompt, {"action": "a", "details": f"a{text}b"})]
    assert fits(PromptText, "Waves roll in.\n\tThe camera\u202e pans left.")


def test_a_notion_page_is_an_id_and_reaches_no_other_route() -> None:
    assert fits(NotionPage, "0123456789abcdef0123456789ABCDEF")
    assert fits(NotionPage, "01234567-89ab-cdef-0123-456789abcdef")
    wrong = ["../users/me", "page", "0" * 31, "0" * 33, "0" * 32 + "\n", "0" * 30 + "/x", "%2e%2e/users/me", ""]
    assert not [page for page in wrong if fits(NotionPage, page)]


def test_a_files_type_is_one_of_a_list() -> None:
    def of(mime: str) -> bool:
        return fits(MediaRef, {"key": "a.png", "sha256": "0" * 64, "mime": mime})

    assert of("image/png") and of("video/mp4")
    wrong = ["", "png", "image/../x", "text/html", "image/svg+xml", "IMAGE/PNG", "image/png; q=1", "image/png\r\nX: y"]
    assert not [mime for mime in wrong if of(mime)]


def test_a_terminal_shows_what_others_say_and_does_none_of_it() -> None:
    said = "[red]no[/red] [/] :boom: \x1b]8;;http://x\x07 \x1b[2J \x9b1m a\u202eb\rc [hidden]"
    stream = io.StringIO()
    terminal = Terminal(file=stream, width=300, force_terminal=True, color_system=None)
    table = RichTable("what")
    table.add_row(said)
    table.add_row(Text(said))
    for one in (said, Text(said), table):
        terminal.print(one)
    shown = stream.getvalue()
    assert shown.count("[red]no[/red] [/] :boom: ") == 4
    assert shown.count("[hidden]") >= 2  # a table measures a cell before it is made harmless, and may cut its end
    assert not [character for character in "\x07\x9b\u202e\r" if character in shown]
    assert "\x1b]" not in shown and "\x1b[2J" not in shown
    assert printable("a\x1bb\u202e\n\t") == "a\\x1bb\\u202e\n\t"
    assert json.loads(printable(json.dumps("\u009b", ensure_ascii=False)).replace("\\x9b", "\\u009b")) == "\u009b"


def test_the_web_ui_shows_the_words_of_others_as_they_are() -> None:
    said = "[click](javascript:x) ![i](http://x/i.png) <img src=x> `a` **b** _c_ | # \x1b[1m https://evil.example/"
    shown = markdown(said)
    assert "[" not in shown.replace("\\[", "") and "<" not in shown.replace("\\<", "")
    assert "`" not in shown.replace("\\`", "") and "*" not in shown.replace("\\*", "") and "\x1b" not in shown
    assert "|" not in shown.replace("\\|", "") and "://" not in shown
    assert markdown("2 of 18 clips are missing.") == "2 of 18 clips are missing."
