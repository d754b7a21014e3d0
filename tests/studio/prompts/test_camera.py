"""Camera movement in words."""

import pytest

from studio.contracts.clip import CameraMove, MotionPrompt
from studio.prompts.camera import WORDS, move_of


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("A cat sleeps. Static camera.", CameraMove.STATIC),
        ("A cat sleeps. The camera holds still.", CameraMove.STATIC),
        ("A cat walks. Slow pan left.", CameraMove.PAN_LEFT),
        ("A cat walks. The camera pans to the right.", CameraMove.PAN_RIGHT),
        ("A cat walks. Slow push in.", CameraMove.ZOOM_IN),
        ("A cat walks. Slow dolly forward following it.", CameraMove.ZOOM_IN),
        ("A cat walks. Slow pull back.", CameraMove.ZOOM_OUT),
        ("A cat walks. Zoom out slowly.", CameraMove.ZOOM_OUT),
        ("A cat sits. Orbit around it.", CameraMove.ORBIT),
        ("A cat runs. Tracking shot alongside.", CameraMove.TRUCK),
        ("A cat pans for gold. Nothing else.", CameraMove.ZOOM_IN),
    ],
)
def test_the_move_is_read_from_the_last_sentence(text: str, move: CameraMove) -> None:
    assert move_of(text) is move


def test_the_camera_part_counts_when_there_is_one() -> None:
    assert move_of(MotionPrompt(action="He pans left for gold", camera="Slow orbit")) is CameraMove.ORBIT


@pytest.mark.parametrize("move", CameraMove)
def test_what_we_write_we_can_read(move: CameraMove) -> None:
    assert move_of(f"Something happens. {WORDS[move]}.") is move
