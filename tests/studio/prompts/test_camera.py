"""Camera movement in words."""

import pytest

from studio.contracts.clip import CameraMove, MotionPrompt
from studio.prompts.camera import WORDS, move_of, named_move, said_strength, with_camera, words_for


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


@pytest.mark.parametrize("text", ["A panda.", "A panel and a panorama.", "Dolls on a dollar.", "A creepy house."])
def test_words_that_only_begin_like_a_move_are_none(text: str) -> None:
    assert move_of(text, default=CameraMove.STATIC) is CameraMove.STATIC


def test_the_camera_part_counts_when_there_is_one() -> None:
    assert move_of(MotionPrompt(action="He pans left for gold", camera="Slow orbit")) is CameraMove.ORBIT


@pytest.mark.parametrize("move", CameraMove)
def test_what_we_write_we_can_read(move: CameraMove) -> None:
    assert move_of(f"Something happens. {WORDS[move]}.") is move


@pytest.mark.parametrize("move", CameraMove)
@pytest.mark.parametrize("strength", [0.0, 0.2, 0.21, 0.5, 0.61, 0.8, 1.0])
def test_a_paced_move_can_be_read_back(move: CameraMove, strength: float) -> None:
    assert move_of(with_camera("Something happens", move, strength)) is move


def test_the_same_move_is_paced_by_its_strength() -> None:
    said = [words_for(CameraMove.PAN_LEFT, strength) for strength in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert said == [
        "Barely perceptible pan left",
        "Very slow pan left",
        "Slow pan left",
        "Brisk pan left",
        "Fast pan left",
    ]


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.2, 0.21, 0.35, 0.5, 0.6, 0.75, 0.81, 1.0])
def test_strengths_that_are_said_alike_have_one_in_the_middle(strength: float) -> None:
    middle = said_strength(strength)
    assert words_for(CameraMove.ORBIT, middle) == words_for(CameraMove.ORBIT, strength)
    assert abs(middle - strength) <= 0.1
    assert said_strength(middle) == middle
    assert said_strength(0.5) == 0.5


@pytest.mark.parametrize("move", CameraMove)
def test_a_move_in_our_own_words_is_named(move: CameraMove) -> None:
    assert named_move(f"Something happens. {words_for(move, 0.3)}.") is move


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It floats.",
        "He creeps forward.",
        "The camera shakes.",
        "She pushes the door.",
        "Slow pan left. It floats.",
        "A cat pans.",
    ],
)
def test_what_does_not_speak_of_the_camera_names_no_move(text: str) -> None:
    assert named_move(text) is None


def test_a_static_camera_is_static_at_any_strength() -> None:
    assert {words_for(CameraMove.STATIC, strength) for strength in (0.0, 0.5, 1.0)} == {"Static camera"}


@pytest.mark.parametrize("prompt", ["A cat walks", "A cat walks.", "A cat walks.  "])
def test_the_camera_is_said_last_in_a_sentence_of_its_own(prompt: str) -> None:
    assert with_camera(prompt, CameraMove.ZOOM_IN, 0.5) == "A cat walks. Slow dolly forward."
