"""The gate's door: which reason counts, who is remembered, and that nothing of it is forgotten on the way."""

from decimal import Decimal

import pytest

from studio.contracts.gate import Closing, GateState
from workflows_temporal.door import MOST_STANDING_BY, Door
from workflows_temporal.line import Line

EMPTY = Closing(reason="no credits", error_type="InsufficientCredits", credits=Decimal(10))
CAPPED = Closing(reason="the cap is reached", error_type="SpendingCapReached")
BAD_KEY = Closing(reason="the key is bad", error_type="AuthenticationError")
BY_HAND = Closing(reason="not now")


def door(**fields: object) -> Door:
    return Door(GateState(limit=1, **fields))


@pytest.mark.parametrize(("why", "awaits"), [(EMPTY, True), (CAPPED, True), (BAD_KEY, False), (BY_HAND, False)])
def test_only_where_credits_are_missing_a_top_up_is_awaited(why: Closing, awaits: bool) -> None:
    gate = door()
    gate.close(why)
    awaited = gate.awaited("gate/kling")
    assert (awaited is not None) is awaits
    assert ("opens by itself" in (gate.closed or "")) is awaits


@pytest.mark.parametrize(
    ("first", "then", "stays"),
    [(EMPTY, CAPPED, EMPTY), (BAD_KEY, EMPTY, BAD_KEY), (EMPTY, BAD_KEY, BAD_KEY), (CAPPED, BY_HAND, BY_HAND)],
)
def test_the_first_reason_stays_unless_a_top_up_would_end_it_and_not_the_next(
    first: Closing, then: Closing, stays: Closing
) -> None:
    gate = door()
    assert gate.close(first)
    assert gate.close(then) is (stays is then)
    assert gate.fields()["closing"] == stays


def test_each_closing_is_another_one() -> None:
    gate = door()
    gate.close(EMPTY)
    first = gate.awaited("gate/kling")
    gate.open()
    gate.close(EMPTY)
    second = gate.awaited("gate/kling")
    assert first is not None
    assert second is not None
    assert (first.closing, second.closing) == (1, 2)


def test_those_who_stand_by_are_remembered_once_and_not_without_end() -> None:
    gate = door()
    gate.stand_by("video/too-early")
    gate.close(EMPTY)
    for number in range(MOST_STANDING_BY + 5):
        gate.stand_by(f"video/{number}")
        gate.stand_by("video/0")
    assert gate.standing_by == [f"video/{number}" for number in range(MOST_STANDING_BY)]
    gate.dismiss()
    assert gate.standing_by == []


def test_a_closed_gate_goes_on_from_its_own_state() -> None:
    line = Line(GateState(limit=1))
    line.trip(EMPTY)
    line.door.stand_by("video/a")
    again = Line(GateState.model_validate_json(line.state().model_dump_json()))
    assert again.state() == line.state()
    assert again.door.awaited("g") == line.door.awaited("g")
    assert again.door.standing_by == ["video/a"]


def test_a_gate_that_was_closed_before_there_were_classes_stays_closed() -> None:
    gate = door(closed="no credits")
    assert gate.closed == "no credits"
    assert gate.awaited("g") is None
