"""The contact sheet."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.contracts.clip import CameraMove
from studio.errors import BadClip, InvalidRequest
from studio.media.frames import frame_at
from studio.media.sheet import contact_sheet, tidy_columns
from tests.studio.media.conftest import Clips


def test_eighteen_clips_stand_in_three_full_rows() -> None:
    assert tidy_columns(18) == 6


def test_every_number_of_clips_has_a_sensible_grid() -> None:
    for count in range(1, 501):
        columns = tidy_columns(count)
        rows = -(-count // columns)
        assert 1 <= columns <= count
        assert count > (rows - 1) * columns  # no empty row
        assert 0.6 <= columns * 16 / (rows * 10) <= 4.9  # the shape of the page, with room for the labels


def test_each_frame_has_its_place_and_number(clips: Clips, tmp_path: Path) -> None:
    paths = [clips(move) for move in CameraMove]
    contact_sheet(paths, tmp_path / "sheet.png", title="A video", labels=[move.value for move in CameraMove])
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"), int)
    with Image.open(tmp_path / "sheet.png") as opened:
        assert opened.format == "PNG"
    columns = tidy_columns(7)
    assert sheet.shape[1] == 12 + columns * (480 + 12)
    dark = np.abs(sheet - (18, 20, 24)).max(axis=2) < 3
    middle = sheet.shape[1] // columns // 2
    assert not dark[:, middle].all()
    assert dark[:, :12].all()  # the margin


def test_the_sheet_shows_the_middle_of_the_clip(clips: Clips, tmp_path: Path) -> None:
    clip = clips(CameraMove.PAN_RIGHT, seconds=5)
    contact_sheet([clip], tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"), int)
    middle = np.asarray(frame_at(clip, 0.5), int)
    x = 12 + (480 - 320) // 2
    assert np.array_equal(sheet[12 : 12 + 180, x : x + 320], middle)


def test_five_hundred_clips_fit_on_a_page_of_bounded_size(clips: Clips, tmp_path: Path) -> None:
    clip = clips(CameraMove.STATIC, seconds=0.25, width=64, height=36)
    contact_sheet([clip] * 500, tmp_path / "sheet.png", labels=["a label that is far too long to fit"] * 500)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width <= 3_840
        assert sheet.width * sheet.height < 16_000_000


def test_lengths_and_prompts_are_below_the_pictures_in_at_most_three_lines(clips: Clips, tmp_path: Path) -> None:
    clip, target = clips(), tmp_path / "sheet.png"
    heights, inked = [], []
    for prompt in (
        "",
        "Waves roll.",
        "A boat leaves the harbour at dawn and gulls circle above it.",
        "word " * 400,
        "影" * 90,
    ):
        contact_sheet([clip], target, labels=[f"5 s\n{prompt}"])
        with Image.open(target) as sheet:
            heights.append(sheet.height)
            below = np.asarray(sheet.crop((0, 12 + 180 + 30, sheet.width, sheet.height)), int)
            inked.append(int((np.abs(below - (18, 20, 24)).max(axis=2) > 60).sum()))
    none, one, two, many, unwritable = heights
    line = one - none
    assert line > 10
    assert (two - none, many - none) == (2 * line, 3 * line)
    assert unwritable == none, "a row of question marks says nothing"
    assert inked[0] < inked[1] < inked[2] < inked[3]


def test_columns_can_be_chosen_and_upright_clips_fit(clips: Clips, tmp_path: Path) -> None:
    upright = clips(width=90, height=160)
    contact_sheet([upright, clips(), upright], tmp_path / "sheet.png", columns=1, title="x" * 500)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 12 + 480 + 12
        assert sheet.height > 3 * 180


def test_titles_in_any_script_are_drawn(clips: Clips, tmp_path: Path) -> None:
    contact_sheet([clips()], tmp_path / "sheet.png", title="Çelik über 東京 🎬", labels=["naïve"])
    assert (tmp_path / "sheet.png").exists()


def test_a_bad_order_is_refused_and_nothing_is_written(clips: Clips, tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    one = [clips()]
    with pytest.raises(InvalidRequest, match="not 0"):
        contact_sheet([], target)
    with pytest.raises(InvalidRequest, match="not 501"):
        contact_sheet(one * 501, target)
    with pytest.raises(InvalidRequest, match="labels"):
        contact_sheet(one, target, labels=["a", "b"])
    for columns in (0, 2):
        with pytest.raises(InvalidRequest, match="columns"):
            contact_sheet(one, target, columns=columns)
    with pytest.raises(BadClip):
        contact_sheet([tmp_path / "nothing.mp4"], target)
    assert list(tmp_path.iterdir()) == []
