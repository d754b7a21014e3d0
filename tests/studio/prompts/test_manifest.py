"""Drafting a video's prompts without a language model."""

import itertools

import pytest

from studio.errors import InvalidRequest
from studio.prompts.camera import move_of
from studio.prompts.manifest import draft_manifest
from studio.prompts.motion import check, render

STORY = "Show seasonal evolution: spring growth, summer activity, autumn rest"


@pytest.mark.parametrize("n", [1, 2, 18, 500])
def test_every_drafted_prompt_passes_our_own_check(n: int) -> None:
    prompts = draft_manifest("Bulbasaur", STORY, n)
    assert len(prompts) == n
    for prompt in prompts:
        check(prompt)


def test_the_story_is_told_in_its_order_over_all_clips() -> None:
    told = [render(prompt) for prompt in draft_manifest("Bulbasaur", STORY, 18)]
    beats = [next(b for b in ("spring growth", "summer activity", "autumn rest") if b in text.lower()) for text in told]
    assert beats == ["spring growth"] * 6 + ["summer activity"] * 6 + ["autumn rest"] * 6


def test_the_camera_never_does_the_same_twice_running() -> None:
    moves = [move_of(prompt) for prompt in draft_manifest("Bulbasaur", STORY, 40)]
    assert all(one is not next_one for one, next_one in itertools.pairwise(moves))


def test_the_same_words_give_the_same_draft() -> None:
    assert draft_manifest("Bulbasaur", STORY, 7) == draft_manifest("Bulbasaur", STORY, 7)
    assert draft_manifest("Bulbasaur", STORY, 7) != draft_manifest("Haunter", STORY, 7)


@pytest.mark.parametrize(("topic", "n"), [("", 3), ("Bulbasaur", 0), ("Bulbasaur", 501)])
def test_nonsense_is_refused(topic: str, n: int) -> None:
    with pytest.raises(InvalidRequest):
        draft_manifest(topic, STORY, n)
