"""Motion prompts: what happens first, the camera last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.contracts.clip import MotionPrompt
from studio.errors import InvalidRequest
from studio.prompts.motion import begins_with_camera, camera_last, check, render


def test_five_parts_come_out_in_the_fixed_order_whatever_order_they_were_given_in() -> None:
    prompt = MotionPrompt(
        camera="Slow dolly forward",
        surroundings="Dappled sunlight.",
        action="Bulbasaur walks forward",
        sequence="Front legs step first, then back legs",
        details="The bulb bounces gently!",
    )
    assert render(prompt) == (
        "Bulbasaur walks forward. The bulb bounces gently! Front legs step first, then back legs. "
        "Dappled sunlight. Slow dolly forward."
    )


def test_missing_parts_leave_no_gap() -> None:
    assert render(MotionPrompt(action="A cat sleeps", camera="Static camera")) == "A cat sleeps. Static camera."


@pytest.mark.parametrize(
    "text",
    [
        "Slow dolly forward. Bulbasaur walks through the forest.",
        "The camera pans left over a lake.",
        "Camera slowly orbits the tower",
        "Camera: slow push in. A man waves",
        "Zoom in on the face",
        "Push-in on the door",
        "A slow cinematic pull back reveals the city",
        "Tracking shot of a fox running",
        "Drone shot over the hills",
        "Slow pan. A cat turns its head.",
    ],
)
def test_a_prompt_that_begins_with_the_camera_is_refused_with_a_better_one(text: str) -> None:
    with pytest.raises(InvalidRequest, match="begins with camera movement") as refusal:
        check(text)
    assert camera_last(text)[:40] in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "Bulbasaur walks forward through the forest. Slow dolly forward.",
        "Truck drives down the road. Slow zoom in.",
        "Crane lifts off from the lake.",
        "Pan the goat plays a flute",
        "Track runner sprints to the line",
        "A man pushes in a cart",
        "Camera shop owner waves",
        "Wide shot of a city at night",
        "Orbiting satellite glows",
    ],
)
def test_words_that_only_sound_like_a_camera_are_no_camera(text: str) -> None:
    check(text)


def test_the_proposed_prompt_says_the_same_with_the_camera_last() -> None:
    proposal = camera_last("Slow dolly forward. Bulbasaur walks. Leaves rustle.")
    assert proposal == "Bulbasaur walks. Leaves rustle. Slow dolly forward."
    assert not begins_with_camera(proposal)


def test_a_long_prompt_is_refused_with_its_length() -> None:
    with pytest.raises(InvalidRequest, match="2501 characters, 2500 are allowed"):
        check("a" * 2_501)
    check("a" * 2_500)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        check("   ")


@given(st.lists(st.text(alphabet="ab .,!", max_size=600), min_size=5, max_size=5))
def test_five_parts_that_are_accepted_always_fit_when_rendered(parts: list[str]) -> None:
    action, details, sequence, surroundings, camera = parts
    try:
        prompt = MotionPrompt(
            action=action, details=details, sequence=sequence, surroundings=surroundings, camera=camera
        )
    except ValidationError:
        return
    assert len(render(prompt)) <= 2_500
