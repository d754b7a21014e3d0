"""The gate's line: plain logic, so every order of events can be tried."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from studio.contracts.gate import Closing, GateState, OrderInFlight, Ticket
from workflows_temporal.line import Line

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ticket(name: str, channel: str = "a", priority: int = 3) -> Ticket:
    return Ticket(
        name=name,
        workflow_id=f"video/{name}",
        first_run_id="r",
        channel=channel,
        video_id=name.replace("#", "_"),
        number=1,
        priority=priority,
    )


def line(limit: int = 5, **fields: object) -> Line:
    return Line(GateState(limit=limit, counted=True, **fields))


def proven_line(limit: int = 5, **fields: object) -> Line:
    """A gate whose provider has already accepted something."""
    made = line(limit, **fields)
    made.proven = True
    return made


def names(line: Line, now: datetime = NOON) -> list[str]:
    return [held.ticket.name for held in line.admit(now)]


def test_nobody_is_let_in_beyond_the_limit() -> None:
    gate = proven_line(2)
    gate.enter([ticket(f"t{i}") for i in range(5)])
    assert names(gate) == ["t0", "t1"]
    gate.leave(["t0"])
    assert names(gate) == ["t2"]


def test_until_the_provider_has_accepted_one_order_they_come_one_by_one() -> None:
    gate = line(5)
    gate.enter([ticket(f"t{i}") for i in range(5)])
    assert names(gate) == ["t0"]
    assert names(gate) == []
    gate.accept("t0")
    assert names(gate) == ["t1", "t2", "t3", "t4"]


def test_until_the_orders_of_an_earlier_gate_are_counted_they_come_one_by_one() -> None:
    gate = Line(GateState(limit=3))
    gate.enter([ticket(f"t{i}") for i in range(5)])
    assert names(gate) == ["t0"]
    gate.accept("t0")
    assert names(gate) == []
    gate.count([in_flight("t0"), in_flight("earlier")], NOON)
    assert names(gate) == ["t1"], "one of the two orders is that of a ticket inside"
    assert gate.state().counted


def in_flight(name: str) -> OrderInFlight:
    return OrderInFlight(
        submission_id=f"order-of-{name}", workflow_id=f"video/{name}", channel="a", video_id=name, number=1
    )


def test_when_the_first_one_is_refused_the_next_one_tries() -> None:
    gate = line(5)
    gate.enter([ticket("t0"), ticket("t1"), ticket("t2")])
    assert names(gate) == ["t0"]
    gate.leave(["t0"])
    assert names(gate) == ["t1"]


def test_an_empty_gate_has_to_prove_itself_again() -> None:
    gate = line(5)
    gate.enter([ticket("t0")])
    names(gate)
    gate.accept("t0")
    gate.leave(["t0"])
    gate.enter([ticket("t1"), ticket("t2")])
    assert names(gate) == ["t1"]


def test_a_first_one_that_looks_away_does_not_hold_up_the_others() -> None:
    gate = line(5)
    gate.enter([ticket("t0"), ticket("t1")])
    names(gate)
    gate.abandon(["t0"])
    assert names(gate) == ["t1"]


def test_a_closed_gate_lets_nobody_in_and_keeps_its_first_reason() -> None:
    gate = proven_line(5)
    assert gate.trip(Closing(reason="the key is bad"))
    assert not gate.trip(Closing(reason="something else"))
    gate.enter([ticket("t0"), ticket("t1")])
    assert names(gate) == []
    assert gate.door.closed == "the key is bad"
    gate.resume()
    assert names(gate) == ["t0"]  # one first: is the cause really gone?


def test_an_abandoned_place_stays_taken_until_it_is_swept() -> None:
    gate = proven_line(1)
    gate.enter([ticket("t0"), ticket("t1")])
    names(gate)
    gate.abandon(["t0"])
    assert names(gate) == []
    gate.sweep(["t0"])
    gate.proven = True
    assert names(gate) == ["t1"]
    assert gate.state().swept == 1


def test_who_is_inside_already_is_told_again_and_looks_again() -> None:
    gate = proven_line(2)
    gate.enter([ticket("t0")])
    names(gate)
    gate.abandon(["t0"])
    assert [held.ticket.name for held in gate.enter([ticket("t0")]).inside] == ["t0"]
    assert not gate.held[0].abandoned
    assert gate.waiting == []


def test_channels_take_turns_however_much_one_of_them_asks_for() -> None:
    gate = proven_line(100)
    gate.enter([ticket(f"a{i}", "a") for i in range(6)])
    gate.enter([ticket(f"b{i}", "b") for i in range(3)])
    assert names(gate)[:6] == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_heavier_channel_gets_more_in_proportion() -> None:
    gate = proven_line(12)
    gate.set_weight("w", 3)
    for i in range(20):
        gate.enter([ticket(f"a{i}", "a"), ticket(f"w{i}", "w")])
    assert Counter(name[0] for name in names(gate)) == {"w": 9, "a": 3}


def test_an_urgent_video_goes_before_all_others() -> None:
    gate = proven_line(2)
    gate.enter([ticket("a0", "a"), ticket("b0", "b"), ticket("c0", "c", priority=1)])
    assert names(gate) == ["c0", "a0"]


def test_a_channel_that_comes_late_has_not_saved_up() -> None:
    gate = proven_line(1)
    gate.enter([ticket(f"a{i}", "a") for i in range(30)])
    for _ in range(20):
        gate.leave(names(gate))
        gate.proven = True
    gate.enter([ticket(f"b{i}", "b") for i in range(10)])
    served = []
    for _ in range(10):
        let_in = names(gate)
        served += let_in
        gate.leave(let_in)
        gate.proven = True
    assert Counter(name[0] for name in served) == {"a": 5, "b": 5}


def test_orders_keep_the_pace() -> None:
    gate = proven_line(100, pace=3, pace_seconds=10)
    gate.enter([ticket(f"t{i}") for i in range(7)])
    assert len(names(gate, NOON)) == 3
    assert gate.next_pace(NOON) == NOON + timedelta(seconds=10)
    assert len(names(gate, NOON + timedelta(seconds=9.9))) == 0
    assert len(names(gate, NOON + timedelta(seconds=10))) == 3


def test_a_lease_ends_whatever_happens() -> None:
    gate = proven_line(1, lease_seconds=60)
    gate.enter([ticket("t0")])
    names(gate)
    assert gate.expired(NOON + timedelta(seconds=59)) == []
    assert gate.expired(NOON + timedelta(seconds=60)) == ["t0"]


def test_a_gate_goes_on_from_its_own_state() -> None:
    gate = proven_line(3, pace=10)
    gate.set_weight("b", 2)
    gate.enter([ticket(f"a{i}", "a") for i in range(4)] + [ticket(f"b{i}", "b") for i in range(4)])
    names(gate)
    gate.abandon(["a0"])
    again = Line(GateState.model_validate_json(gate.state().model_dump_json()))
    assert again.state() == gate.state()
    assert names(again) == names(gate)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(0, 30)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("abandon"), st.integers(0, 30)),
        st.tuples(st.just("accept"), st.integers(0, 30)),
        st.tuples(st.just("sweep"), st.integers(0, 30)),
        st.tuples(st.just("limit"), st.integers(0, 6)),
        st.tuples(st.sampled_from(["trip", "resume"]), st.just(0)),
    ),
    max_size=120,
)


@given(ACTIONS)
def test_whatever_happens_the_limit_holds_and_nobody_is_in_two_places(actions: list[tuple[str, int]]) -> None:
    gate = line(3)
    for verb, number in actions:
        name = f"t{number}"
        before = len(gate.held)
        match verb:
            case "enter":
                gate.enter([ticket(name, channel="abc"[number % 3], priority=1 + number % 5)])
            case "accept":
                gate.accept(name)
            case "trip":
                gate.trip(Closing(reason="no"))
            case "resume":
                gate.resume()
            case "limit":
                gate.limit = number
            case _:
                getattr(gate, verb)([name])
        admitted = gate.admit(NOON)
        assert len(gate.held) <= max(gate.limit, before)
        assert not (admitted and gate.door.closed)
        inside = {held.ticket.name for held in gate.held}
        assert not inside & {waiting.name for waiting in gate.waiting}


@given(st.lists(st.integers(0, 9), unique=True, min_size=1))
def test_everybody_comes_in_at_last(order: list[int]) -> None:
    gate = line(2)
    gate.enter([ticket(f"t{i}", channel=f"c{i % 3}") for i in order])
    seen: list[str] = []
    while let_in := names(gate):
        seen += let_in
        gate.leave(let_in)
    assert sorted(seen) == sorted(f"t{i}" for i in order)
