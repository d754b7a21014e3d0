"""What `video takes` says to people."""

import pytest

from commands.takes import take_lines

TAKE = {"take": "ab" * 32, "verdict": "good", "cost_usd": 0, "seconds": 5, "made_at": None, "file": "f.mp4"}
STYLE = "Cinematic film still, shallow depth of field, soft directional light, muted colours"


@pytest.mark.parametrize("style", ["", f"{STYLE},", f"{STYLE}."])
def test_the_words_of_the_videos_style_do_not_hide_what_each_take_shows(style: str) -> None:
    told = f"{style} A gull lands."
    assert take_lines(TAKE | {"prompt": told.strip()}, style) == [
        "abababababab  good  0.00 USD  5 s  A gull lands.",
        "    file     f.mp4",
    ]


def test_a_take_from_before_the_style_says_all_it_was_made_with() -> None:
    (line, _) = take_lines(TAKE | {"prompt": "A boat leaves."}, STYLE)
    assert line.endswith("5 s  A boat leaves.")
