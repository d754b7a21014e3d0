"""Logs: one JSON object per line, video and clip on every line, no secret on any."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.logs import HIDDEN, HideSecrets, hider

ROOT = Path(__file__).resolve().parents[2]
KEY = "sim-key-PLANTED-4f9a1c"
DSN = "postgresql://longtake:dbpass4f9a@127.0.0.1:5432/longtake"

hide = hider([KEY, ""])


# ── what is hidden ───────────────────────────────────────────────────────


def test_a_known_secret_is_hidden_wherever_it_stands() -> None:
    assert hide(f"bad header {KEY}, {KEY}!") == f"bad header {HIDDEN}, {HIDDEN}!"


def test_a_secret_that_begins_another_does_not_leave_its_tail() -> None:
    assert hider(["abcd", "abcd-efgh"])("abcd-efgh abcd") == f"{HIDDEN} {HIDDEN}"


SECRET_LOOKING = [
    ("Authorization: Bearer eyJhbGciOi.J9-x_y", "Authorization: Bearer [hidden]"),
    ("authorization: bearer abcdefgh12", "authorization: bearer [hidden]"),
    (f"cannot connect to {DSN}", "cannot connect to postgresql://longtake:[hidden]@127.0.0.1:5432/longtake"),
    ("https://me:p%40ss@host/x", "https://me:[hidden]@host/x"),
    ("KIE_API_KEY=abcd1234", "KIE_API_KEY=[hidden]"),
    ("api-key: abcd1234, model: x", "api-key: [hidden], model: x"),
    ('{"token": "abcd1234", "n": 1}', '{"token": "[hidden]", "n": 1}'),
    ("{'password': 'abcd1234'}", "{'password': '[hidden]'}"),
    ("userhash=abcd1234&x=1", "userhash=[hidden]&x=1"),
    ("?X-Amz-Credential=AKIA1234%2F2026&sig=abcd1234", "?X-Amz-Credential=[hidden]&sig=[hidden]"),
    ("AWSAccessKeyId=AKIA1234&x=1", "AWSAccessKeyId=[hidden]&x=1"),
    ("Authorization: Basic bWU6cGFzcw==", "Authorization: Basic [hidden]"),
    (
        "http://s3/a.png?X-Amz-Expires=60&X-Amz-Signature=abcd1234&x=1",
        "http://s3/a.png?X-Amz-Expires=60&X-Amz-Signature=[hidden]&x=1",
    ),
]


@pytest.mark.parametrize(("text", "clean"), SECRET_LOOKING)
def test_what_looks_like_a_secret_is_hidden_though_nobody_told_its_value(text: str, clean: str) -> None:
    assert hider(())(text) == clean


@pytest.mark.parametrize(("text", "clean"), SECRET_LOOKING)
def test_hiding_twice_changes_nothing(text: str, clean: str) -> None:
    assert hider(())(clean) == clean


ORDINARY = [
    "KIE.ai authentication failed - Check KIE_API_KEY",
    "  KIE_API_KEY: is not set\n  NOTION_TOKEN: the queue notices needs it",
    "password authentication failed for user longtake",
    "The token bucket of gate/kling is empty",
    "channels/poke1/videos/vid_1/clips/clip_07.mp4",
    "http://127.0.0.1:40001/v/9f0c1d2e3b4a.mp4?width=1280",
    "Clip 7/18 exceeded 10 minutes: see http://127.0.0.1:8233/namespaces/default",
    "at 2026-11-21T06:15:37Z, 12:30:00, ratio 16:9, user@example.org",
    "sha256=abababababababababab",
    "",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert hider([KEY])(text) == text


@given(st.text(), st.text(), st.from_regex(r"[A-Z0-9_]{4,20}", fullmatch=True))
def test_a_known_secret_never_comes_through(before: str, after: str, secret: str) -> None:
    assert secret not in hider([secret])(before + secret + after)


def test_every_value_of_a_line_is_cleaned_however_deep() -> None:
    event = {
        "event": f"said {KEY}",
        "nested": {"list": [KEY, (KEY, 1)], "error": ValueError(KEY), "raw": KEY.encode()},
        "count": 3,
        "share": 0.5,
        "done": True,
        "none": None,
    }
    cleaned = HideSecrets(hider([KEY]))(None, "info", event)
    assert KEY not in json.dumps(cleaned)
    assert {name: cleaned[name] for name in ("count", "share", "done", "none")} == {
        "count": 3,
        "share": 0.5,
        "done": True,
        "none": None,
    }


# ── a process that logs ──────────────────────────────────────────────────

PROGRAM = f"""
import logging, sys, structlog
from studio.logs import hider, set_up_logs

KEY = "{KEY}"
set_up_logs(level="info", style=sys.argv[1], hide=hider([KEY]))
log = structlog.get_logger()
with structlog.contextvars.bound_contextvars(channel="poke1", video_id="vid_1", clip=7):
    log.info("clip.submitted", task_id="9f0c", header=f"Bearer {{KEY}}")
    logging.getLogger("somewhere.else").warning("hello %s", KEY)
    try:
        raise ValueError(f"bad {{KEY}}")
    except ValueError:
        log.exception("activity.surprised")
        logging.getLogger("somewhere.else").exception("surprised too")
log.debug("never.seen")
log.info("two\\nlines", list=[KEY], path=sys)
logging.getLogger("httpx").info("HTTP Request: GET http://x")
logging.getLogger("temporalio.activity").warning("Completing activity as failed")
logging.getLogger("temporalio.worker").warning("a line of Temporal's")
logging.getLogger("temporalio.workflow").warning("notion.not_told", extra={{"page": "p1", "error": "no such page"}})
"""


def log_lines(style: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, style], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """What that process said; fails when a line is no JSON object."""
    return [dict(json.loads(line)) for line in log_lines("json").splitlines()]


def test_every_line_is_one_json_object_with_event_level_and_time(lines: list[dict[str, Any]]) -> None:
    assert [(line["event"], line["level"]) for line in lines] == [
        ("clip.submitted", "info"),
        (f"hello {HIDDEN}", "warning"),
        ("activity.surprised", "error"),
        ("surprised too", "error"),
        ("two\nlines", "info"),
        ("a line of Temporal's", "warning"),
        ("notion.not_told", "warning"),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_every_line_said_about_a_clip_names_it(lines: list[dict[str, Any]]) -> None:
    """Also those of libraries that know nothing of videos."""
    about = [(line.get("channel"), line.get("video_id"), line.get("clip")) for line in lines]
    assert about == [("poke1", "vid_1", 7)] * 4 + [(None, None, None)] * 3


def test_an_exception_is_one_field_of_one_line(lines: list[dict[str, Any]]) -> None:
    for line in lines[2:4]:
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith(f"ValueError: bad {HIDDEN}")


def test_the_key_is_on_no_line(lines: list[dict[str, Any]]) -> None:
    assert KEY not in json.dumps(lines)
    assert lines[0]["header"] == f"Bearer {HIDDEN}"


def test_what_a_workflow_says_beside_the_event_is_on_the_line(lines: list[dict[str, Any]]) -> None:
    assert (lines[-1].get("page"), lines[-1].get("error")) == ("p1", "no such page")


def test_people_get_lines_they_can_read_and_no_secret_either() -> None:
    said = log_lines("console")
    assert "clip.submitted" in said
    assert "video_id=vid_1" in said
    assert KEY not in said
    assert "\x1b[" not in said
