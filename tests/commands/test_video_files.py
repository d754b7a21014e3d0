"""Video files as people write them: what YAML would change in silence is refused, with its line and what to do."""

import os
import unicodedata
from pathlib import Path

import pytest

from commands.video_file import BuiltVideo, VideoFileInvalid, build_video, read_video_file
from commands.yaml_file import YamlFileInvalid, read_yaml_file
from studio.media.stills import draw_still

SAMPLES = Path(__file__).parent / "samples" / "videos"
HEAD = "video: good-01\nchannel: demo\nprovider: animatic\n"
CLIP = "clips:\n  - still: stills/a.jpg\n    prompt: Waves roll. Slow pan right.\n"

ACCEPTED = (
    "00_good 07_video_1e3 14_video_yes_quoted_ok 33_prompt_block_literal_ok 35_prompt_smart_quotes_emoji "
    "39_prompt_2500_emoji "
    "40_prompt_cjk 66_json_instead_of_yaml 71_seconds_float 79_width_text 79b_width_with_separator "
    "82_still_nfc_file_is_nfd "
    "83_still_apostrophe_percent 84_still_space 93_same_still_twice_ok 96_utf8_bom 98_crlf "
    "99_cr_only 99b_latin1_mojibake"
).split()
REFUSED: dict[str, tuple[str, ...]] = {
    "01_video_no": ("line 1, video", "true or false", 'quotes: "no"'),
    "02_video_010_octal": ("line 1, video", "the number 8", "quotes"),
    "04_video_date": ("line 1, video", "a date", "quotes"),
    "05_video_impossible_date": ("line 1, video", "a date", "quotes"),
    "08_video_underscored": ("line 1, video", "the number 1000", "quotes"),
    "10_channel_on": ("line 2, channel", "true or false", "quotes"),
    "11_channel_null": ("line 2, channel",),
    "12_video_0x": ("line 1, video", "another base", "quotes"),
    "15_video_trailing_space": ("line 1, video",),
    "16_video_dot": ("line 1, video",),
    "20_prompt_colon_space": ("line 7, column 25", "quotes", "`|`"),
    "21_prompt_hash": ("line 7, clip 1, prompt", "#4", "comment", "quotes"),
    "22_prompt_date_and_time": ("line 7, clip 1, prompt", "a date", "quotes"),
    "24_prompt_yes": ("line 7, clip 1, prompt", "true or false", "quotes"),
    "25_prompt_starts_with_at": ("line 7, column 13", "quotes", "`|`"),
    "27_prompt_starts_with_dash": ("line 7, column 13", "quotes", "`|`"),
    "28_prompt_starts_with_star": ("line 7", "quotes"),
    "30_prompt_braces": ("line 7", "quotes"),
    "32_prompt_exclamation": ("line 7", "!important", "quotes"),
    "36_prompt_control_char": ("line 7", "U+000B"),
    "37_prompt_nul": ("line 7", "U+0000"),
    "38_prompt_2501_characters": ("line 7, clip 1, prompt", "2"),
    "43_prompt_empty": ("line 7, clip 1, prompt",),
    "50_duplicate_prompt_key": ("line 8", "line 7", "prompt", "twice"),
    "52_duplicate_budget": ("line 6", "line 5", "budget_usd", "twice"),
    "53_tabs": ("line 6", "tab"),
    "55_anchor_merge_ok": ("line 4", "base", "unknown"),
    "56_alias_bomb": ("line", "aliases"),
    "57_alias_loop": ("line 4", "*c"),
    "59_python_tag": ("line 7", "tag"),
    "60_two_documents": ("line 10", "second document"),
    "61_top_level_list": ("line 1", "field"),
    "62_empty": ("empty",),
    "64_clips_as_mapping": ("line 5, clips", "list"),
    "65_clips_null": ("line 5, clips",),
    "67_typo_secnds": ("line 8, clip 1, secnds", "did you mean seconds?"),
    "70_seconds_text": ("line 4, seconds", "5 or 10"),
    "72_seconds_5s": ("line 4, seconds", "5 or 10"),
    "73_seconds_7": ("line 4, seconds", "5 or 10"),
    "74_budget_comma": ("line 5, budget_usd",),
    "75_budget_dollar": ("line 5, budget_usd",),
    "76_budget_nan": ("line 5, budget_usd",),
    "77_budget_7_decimals": ("line 5, budget_usd", "6 decimal places"),
    "78_priority_true": ("line 5, priority",),
    "80_still_backslash": ("line 6, clip 1, still", "stills/a.jpg"),
    "86_still_directory": ("line 6, clip 1, still", "folder"),
    "87_still_wrong_case": ("line 6, clip 1, still", "did you mean stills/"),
    "88_still_url": ("line 6, clip 1, still", "address"),
    "90_still_nul": ("line 6, clip 1, still", "NUL"),
    "92_still_list": ("line 6, clip 1, still",),
    "95_windows_1252": ("line 7", "0x92", "UTF-8"),
}
WRITTEN: dict[str, tuple[str, tuple[str, ...]]] = {
    "yes in another spelling": ("video: YES\n", ("line 1, video", "true or false")),
    "off": ("video: off\n", ("true or false",)),
    "a leading zero": ("video: 007\n", ("the number 7", '"007"')),
    "nine is no octal digit": ("video: 0189\n", ("a number", "quotes")),
    "a time of day": ("video: 12:30\n", ("time of day",)),
    "a time with seconds": ("video: 12:30:45\n", ("time of day",)),
    "a date and time": ("video: 2026-01-15T10:00:00Z\n", ("a date",)),
    "a whole number": ("video: 2026\n", ("a number", '"2026"')),
    "a fraction": ("video: 1.5\n", ("a number", "quotes")),
    "infinity": ("video: .inf\n", ("infinity",)),
    "hexadecimal": ("video: 0x1F\n", ("another base",)),
    "binary": ("video: 0b101\n", ("another base",)),
    "a comment behind a title": ("video: a\ntitle: Harbour #1 of many\n", ("title", "#1", "comment")),
    "a comment behind a prompt": (
        f"{HEAD}clips:\n  - still: stills/a.jpg\n    prompt: Waves roll in # and out. Slow pan right.\n",
        ("line 6, clip 1, prompt", "comment"),
    ),
    "a sign without a space behind it": (f"video: ep #4\nchannel: demo\n{CLIP}", ("video", "#4", "comment")),
    "twice in a clip": (
        f"{HEAD}clips:\n  - still: stills/a.jpg\n    still: stills/b.jpg\n    prompt: Waves roll. Slow pan right.\n",
        ("line 6", "line 5", "still"),
    ),
    "budget in another spelling": (f"{HEAD}budgetUsd: 1\n{CLIP}", ("budgetUsd", "did you mean budget_usd?")),
    "a capital": ("Video: a\nchannel: demo\n" + CLIP, ("Video", "did you mean video?")),
    "true for a number": (f"{HEAD}width: true\n{CLIP}", ("line 4, width",)),
    "a tab in the middle": (f"{HEAD}clips:\n\t- still: a\n", ("line 5", "tab")),
    "a quote that is not closed": (f'{HEAD}title: "never closed\n{CLIP}', ("line",)),
    "a percent sign": (f"{HEAD}title: %d\n{CLIP}", ("line 4", "quotes")),
    "a backtick": (f"{HEAD}title: `x`\n{CLIP}", ("line 4", "quotes")),
    "an ampersand alone": (f"{HEAD}title: & more\n{CLIP}", ("line 4", "quotes")),
    "a mapping as a name": (f"{HEAD}? [a, b]\n: c\n{CLIP}", ("line 4",)),
    "a binary tag": (f"{HEAD}title: !!binary aGk=\n{CLIP}", ("line 4", "binary")),
    "a hidden sign before the camera": (
        f'{HEAD}clips:\n  - still: stills/a.jpg\n    prompt: "\\u200b\\u00a0Slow pan right. A boat leaves."\n',
        ("line 6, clip 1, prompt", "camera"),
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stills that the files name; NFD names as macOS writes them."""
    folder = tmp_path_factory.mktemp("videos")
    stills = folder / "stills"
    stills.mkdir()
    draw_still("waves", width=640, height=360).image.save(stills / "a.jpg")
    content = (stills / "a.jpg").read_bytes()
    for name in (
        "b.jpg",
        "my shot 01.jpg",
        "it's 50% \u2013 \u21161.jpg",
        unicodedata.normalize("NFC", "café_nfd.jpg"),
    ):
        (stills / name).write_bytes(content)
    return folder


def _read(folder: Path, text: str | bytes) -> BuiltVideo:
    path = folder / "video.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return build_video(path, read_video_file(path), scratch=folder)


def _refusal(folder: Path, text: str | bytes) -> str:
    try:
        _read(folder, text)
    except VideoFileInvalid as error:
        return str(error)
    return "accepted"


def test_good_files_are_taken_as_they_are_written(folder: Path) -> None:
    names = {name: _refusal(folder, (SAMPLES / f"{name}.yaml").read_bytes()) for name in ACCEPTED}
    assert {name: said for name, said in names.items() if said != "accepted"} == {}


def test_every_mistake_is_refused_with_its_line_and_what_to_do(folder: Path) -> None:
    said = {name: _refusal(folder, (SAMPLES / f"{name}.yaml").read_bytes()) for name in REFUSED}
    said |= {name: _refusal(folder, text) for name, (text, _) in WRITTEN.items()}
    wanted = REFUSED | {name: parts for name, (_, parts) in WRITTEN.items()}
    assert {name: text for name, text in said.items() if not all(part in text for part in wanted[name])} == {}
    # No word of the libraries beneath.
    foreign = ("Input should", "function-", "pattern", "validation", "yaml.", "<unicode string>", "Traceback")
    assert {name: text for name, text in said.items() if any(word in text for word in foreign)} == {}


def test_every_sample_is_in_one_of_the_tables() -> None:
    assert {path.stem for path in SAMPLES.glob("*.yaml")} - {*ACCEPTED, *REFUSED} == {"41_prompt_rtl"}


def test_numbers_and_quoted_words_keep_their_values(folder: Path) -> None:
    video = _read(folder, (HEAD + 'width: 1_920\nbudget_usd: 1.50\ntitle: "no"  # quoted\n' + CLIP).encode()).request
    assert (video.width, str(video.budget_usd), video.title) == (1_920, "1.50", "no")


def test_null_means_absent(folder: Path) -> None:
    video = _read(folder, f"{HEAD}title: ~\nbudget_usd: null\npriority:\n{CLIP}").request
    assert (video.title, video.budget_usd, video.priority) == ("", None, 3)


def test_merge_keys_take_fields_over(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {one: 1, two: 2}\nb:\n  <<: *x\n  two: 3\n")
    content = read_yaml_file(path).content
    assert {key: value.text for key, value in content["b"].items()} == {"one": "1", "two": "3"}


def test_what_is_no_plain_file_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    (tmp_path / "deep.yaml").write_text("a: " + "[" * 100_000)
    (tmp_path / "large.yaml").write_bytes(b"#" * 9_000_000)
    said = {}
    for path in (fifo, Path("/dev/zero"), tmp_path, tmp_path / "deep.yaml", tmp_path / "large.yaml", Path("a\0b")):
        with pytest.raises(YamlFileInvalid) as refused:
            read_yaml_file(path)
        said[path.name] = str(refused.value)
    assert [
        part in text
        for part, text in zip(
            ("no regular file", "no regular file", "folder", "levels deep", "bytes", "NUL"), said.values(), strict=True
        )
    ] == [True] * 6
    for device in (str(fifo), "/dev/zero", "/dev/stdin"):
        assert "no regular file" in _refusal(folder, HEAD + CLIP.replace("stills/a.jpg", device))


def test_utf_16_is_read_and_another_encoding_is_named(folder: Path) -> None:
    assert _refusal(folder, (HEAD + CLIP).encode("utf-16")) == "accepted"
    assert "UTF-8" in _refusal(folder, (HEAD + "title: caf\xe9\n" + CLIP).encode("latin-1"))


def test_a_file_with_500_mistakes_is_answered_with_the_first_ones(folder: Path) -> None:
    clips = "".join("  - {still: stills/a.jpg, prompt: Waves roll. Slow pan right., secnds: 5}\n" for _ in range(500))
    lines = _refusal(folder, f"{HEAD}clips:\n{clips}").splitlines()
    assert len(lines) <= 51 and "more" in lines[-1]


def test_a_video_file_may_name_its_video_in_the_field_film(tmp_path: Path) -> None:
    good = (SAMPLES / "00_good.yaml").read_text()
    path = tmp_path / "good.yaml"
    path.write_text(good.replace("video:", "film:", 1))
    assert read_video_file(path).video == read_video_file(SAMPLES / "00_good.yaml").video
    path.write_text(f"film: other\n{good}")
    with pytest.raises(VideoFileInvalid):
        read_video_file(path)
