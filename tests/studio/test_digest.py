"""Digests of what a clip is made from: they never change by themselves, and every part counts."""

import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from studio.digest import digest_of

PARTS = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=4
)


def test_a_digest_can_be_made_by_anybody_with_json_and_sha256() -> None:
    text = '["take",{"prompt":"Pokémon","seconds":5}]'
    assert digest_of("take", {"seconds": 5, "prompt": "Pokémon"}) == hashlib.sha256(text.encode()).hexdigest()


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
