"""`video check`: every mistake at once, each with the line as it would be right, and `--fix` writes them."""

import os
from pathlib import Path

import pytest
from PIL import Image

from commands.corrections import corrected
from tests.command_line import run_command

GOOD = """\
video: night-01
channel: demo
seconds: 5
budget_usd: 1.50
clips:
  - still: a.png
    prompt: A boat leaves the harbour. Slow pan right.
  - still: a.png
    prompt: Rain falls on the pier. Slow pan left.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.effect_noise((960, 540), 60).convert("RGB").save(tmp_path / "a.png")
    return tmp_path


def check(folder: Path, text: str, *options: str) -> tuple[int, str, str]:
    """Exit code, output, and the file afterwards."""
    file = folder / "video.yaml"
    file.write_text(text, encoding="utf-8")
    done = run_command(["video", "check", str(file), "--data", str(folder / "none"), *options])
    assert done.stderr == ""
    return done.code, done.stdout, file.read_text(encoding="utf-8")


CORRECTED: dict[str, tuple[str, str]] = {
    "video: night-01": ("video: no", 'video: "no"'),
    "channel: demo": ("channel: 010", 'channel: "010"'),
    "seconds: 5": ("secnds: 10", "seconds: 10"),
    "budget_usd: 1.50": ("budget_usd: 1,50", "budget_usd: 1.50"),
    "    prompt: A boat leaves the harbour. Slow pan right.": (
        "    prompt: @anna leaves: at night #4. Slow pan right.",
        '    prompt: "@anna leaves: at night #4. Slow pan right."',
    ),
    "    prompt: Rain falls on the pier. Slow pan left.": (
        "\tprompt: *Rain* falls on the pier. Slow pan left.",
        '    prompt: "*Rain* falls on the pier. Slow pan left."',
    ),
}
MORE: dict[str, tuple[str, str]] = {
    "a time of day": ("title: 12:30", 'title: "12:30"'),
    "a date": ("video: 2026-01-15", 'video: "2026-01-15"'),
    "a unit": ("seconds: 10s", "seconds: 10"),
    "a currency": ("budget_usd: $5", "budget_usd: 5"),
    "a currency behind": ("budget_usd: 2,5 USD", "budget_usd: 2.5"),
    "another name": ("budgetUsd: 3", "budget_usd: 3"),
    "a comment that cuts": ("title: Take #4", 'title: "Take #4"'),
    "a colon": ("title: Night: the harbour", 'title: "Night: the harbour"'),
    "quotes inside": ('title: The "old: harbour"', "title: 'The \"old: harbour\"'"),
    "an exclamation mark": ("title: !important", 'title: "!important"'),
    "a percent sign": ("title: %d boats", 'title: "%d boats"'),
    "a control character": ("title: The\x0b harbour", "title: The harbour"),
}
UNCLEAR = ("video: a b", "seconds: 7", "budget_usd: 1,500", "priority: true", "width: wide", "title: a\ntitle: b")


def test_a_file_that_is_right_is_said_to_be_and_needs_no_stack(folder: Path) -> None:
    code, output, after = check(folder, GOOD)
    assert code == 0
    assert "is right: demo/night-01, 2 clips" in output
    assert after == GOOD


def test_every_mistake_is_shown_at_once_and_fixed_at_once(folder: Path) -> None:
    wrong, lines = GOOD, GOOD.splitlines()
    for right, (written, _) in CORRECTED.items():
        wrong = wrong.replace(right, written)
    code, output, after = check(folder, wrong)
    assert code == 2
    for right, (written, corrected_line) in CORRECTED.items():
        assert f"line {lines.index(right) + 1}" in output, right
        assert f"    + {corrected_line.strip()}" in output, output
        assert f"    - {written.strip(' ')}".replace("\t", "→") in output, output
    assert after == wrong, "without --fix nothing is written"

    code, _, after = check(folder, wrong, "--fix")
    expected = [CORRECTED[line][1] if line in CORRECTED else line for line in lines]
    assert code == 0, output
    assert [line.split() for line in after.splitlines()] == [line.split() for line in expected]
    assert (folder / "video.yaml.bak").read_text(encoding="utf-8") == wrong
    assert check(folder, after)[0] == 0


def test_each_kind_of_mistake_has_its_corrected_line(folder: Path) -> None:
    for name, (written, right) in MORE.items():
        field = right.partition(":")[0]
        rest = "".join(f"{line}\n" for line in GOOD.splitlines() if not line.startswith(f"{field}:"))
        code, output, after = check(folder, f"{rest.rstrip()}\n{written}\n", "--fix")
        assert code == 0, f"{name}: {output}"
        assert right in after.splitlines(), f"{name}: {after}"


def test_a_mistake_that_only_a_person_can_decide_is_named_and_left(folder: Path) -> None:
    for written in UNCLEAR:
        field = written.partition(":")[0]
        rest = "".join(f"{line}\n" for line in GOOD.splitlines() if not line.startswith(f"{field}:"))
        code, output, after = check(folder, f"{rest}{written}\n", "--fix")
        assert code == 2, written
        assert f"line {len(rest.splitlines()) + 1 + written.count(chr(10))}" in output, output
        assert after == f"{rest}{written}\n", "nothing was written"


def test_a_still_of_another_shape_gets_a_cropped_copy_and_stays_itself(folder: Path) -> None:
    Image.effect_noise((800, 800), 60).convert("RGB").save(folder / "square.png")
    text = GOOD.replace("a.png", "square.png", 1)
    code, output, _ = check(folder, text)
    assert code == 2 and "line 6, clip 1, still: square.png" in output
    assert sorted(path.name for path in folder.glob("*.png")) == ["a.png", "square.png"]
    code, output, after = check(folder, text, "--fix")
    assert code == 0, output
    assert "cropped from 800x800 to 800x450" in output
    assert '  - still: "square_800x450.png"' in after
    with Image.open(folder / "square_800x450.png") as copy, Image.open(folder / "square.png") as source:
        assert (copy.size, source.size) == ((800, 450), (800, 800))


def test_what_is_done_to_a_still_is_told(folder: Path) -> None:
    Image.effect_noise((960, 540), 60).convert("RGB").save(folder / "b.webp")
    code, output, _ = check(folder, GOOD.replace("a.png", "b.webp", 1))
    assert code == 0
    assert "Note: line 6, clip 1, still: b.webp: converted from WEBP to PNG" in output


def test_a_still_that_is_spelt_in_another_way_is_found(folder: Path) -> None:
    (folder / "Shots").mkdir()
    (folder / "a.png").rename(folder / "Shots" / "My shot.PNG")
    (folder / "a.png").write_bytes((folder / "Shots" / "My shot.PNG").read_bytes())
    code, output, after = check(folder, GOOD.replace("a.png", "shots\\my shot.png", 1), "--fix")
    assert code == 0, output
    assert '  - still: "Shots/My shot.PNG"' in after


def test_a_file_in_another_encoding_is_saved_as_utf8(folder: Path) -> None:
    file = folder / "video.yaml"
    file.write_bytes(GOOD.replace("A boat", "Émile\u2019s été, a boat").encode("cp1252"))
    done = run_command(["video", "check", str(file), "--data", str(folder / "none"), "--fix"])
    assert done.code == 0, done.stdout
    assert "is not UTF-8 (byte 0xc9 in line 7)" in done.stdout
    assert "Émile\u2019s été, a boat" in file.read_text(encoding="utf-8")


def test_pipes_and_devices_are_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    for path in (folder / "pipe.yaml", Path("/dev/zero"), folder):
        done = run_command(["video", "check", str(path), "--data", str(folder / "none"), "--fix"])
        assert done.code == 2
        assert "is no regular file" in done.stdout or "is a folder" in done.stdout


def test_a_thousand_mistakes_are_corrected_together_and_fifty_shown(folder: Path) -> None:
    clips = "".join(f"  - still: a.png\n    prompt: A sign #{number} sways. Slow pan left.\n" for number in range(500))
    head = "video: night\nchannel: demo\nseconds: 5s\nclips:\n"
    code, output, after = check(folder, head + clips, "--fix")
    assert code == 0, output
    assert "501 mistakes" in output and "and 451 more" in output
    assert output.count("    + ") == 50
    assert after == head.replace("5s", "5") + clips.replace("prompt: ", 'prompt: "').replace("left.", 'left."')


def test_programs_get_every_mistake_with_its_line_as_json(folder: Path) -> None:
    file = folder / "video.yaml"
    file.write_text(GOOD.replace("night-01", "no").replace("seconds: 5", "seconds: 7"), encoding="utf-8")
    done = run_command(["video", "check", str(file), "--data", str(folder / "none"), "--json"])
    assert done.code == 2
    first, second = sorted(done.json["mistakes"], key=lambda one: one["line"])
    assert (first["line"], first["corrected"]) == (1, 'video: "no"')
    assert (second["line"], second["corrected"]) == (3, None)
    assert (done.json["left"], done.json["written"]) == (1, False)


def test_a_correction_that_brings_another_mistake_is_none() -> None:
    def problems(text: str) -> list[str]:
        return [] if text == "never" else [f"line 1, video: wrong as {text!r}"]

    assert corrected("video: x", problems) == ("video: x", [])
