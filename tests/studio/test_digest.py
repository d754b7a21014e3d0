"""Digests of what a clip is made from: they never change by themselves, and every part counts."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.digest import TAKE_FORMAT, digest_of, kling_take

TAKE: dict[str, Any] = {
    "model": "kling/v2-5-turbo-image-to-video-pro",
    "prompt": "Pokémon floats down the corridor. Slow dolly forward.",
    "still_sha256": "ab" * 32,
    "seconds": 5,
}
GOLDEN = "a1aec335d4bfbd333d1d3fa6cd1000483cde04292826b424aee78167259c2134"
PARTS = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=4
)


def test_a_take_has_the_digest_it_always_had() -> None:
    """When this fails, clips that were paid for are not found again. Change TAKE_FORMAT only on purpose."""
    assert TAKE_FORMAT == "take-1"
    assert kling_take(**TAKE) == GOLDEN


def test_a_digest_can_be_made_by_anybody_with_json_and_sha256() -> None:
    text = (
        '["take-1",{"model":"kling/v2-5-turbo-image-to-video-pro",'
        '"prompt":"Pokémon floats down the corridor. Slow dolly forward.","provider":"kling",'
        f'"seconds":5,"still":"{"ab" * 32}"}}]'
    )
    assert kling_take(**TAKE) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("model", "kling/v2-1-standard"),
        ("prompt", "Pokemon floats down the corridor. Slow dolly forward."),
        ("prompt", "Pokémon floats down the corridor. Slow dolly forward. "),
        ("still_sha256", "ab" * 31 + "ac"),
        ("seconds", 10),
    ],
)
def test_every_part_counts(part: str, value: object) -> None:
    assert kling_take(**TAKE | {part: value}) != kling_take(**TAKE)


def test_every_part_of_a_take_is_tried_above() -> None:
    assert set(kling_take.__annotations__) - {"return"} == TAKE.keys()


def test_the_kind_counts() -> None:
    assert digest_of("take-1", {"a": 1}) != digest_of("take-2", {"a": 1})


def test_the_order_does_not_count() -> None:
    assert digest_of("x", {"a": 1, "b": 2}) == digest_of("x", {"b": 2, "a": 1})


def test_what_only_looks_alike_is_told_apart() -> None:
    alike: list[str | int | float | bool | None] = [1, 1.0, True, "1", "true", None, "null", 0, False, ""]
    assert len({digest_of("x", {"a": value}) for value in alike}) == len(alike)


@given(PARTS, PARTS)
def test_two_digests_agree_only_when_all_parts_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = {name: (type(value), value) for name, value in one.items()} == {
        name: (type(value), value) for name, value in other.items()
    }
    assert (digest_of("x", one) == digest_of("x", other)) is same
