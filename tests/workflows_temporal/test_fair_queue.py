"""The gate's queue at its bounds: what it refuses, what gives way, and how large all that a gate knows can become."""

from datetime import UTC, datetime, timedelta

from studio.contracts.gate import Closing, GateState, Ticket, TicketsAfter
from workflows_temporal.door import MOST_STANDING_BY
from workflows_temporal.fair_queue import MOST_CHANNELS, MOST_TICKET_BYTES, MOST_WAITING, FairQueue
from workflows_temporal.line import MOST_SLOTS, Line

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIB = 1_048_576


def ticket(name: str, channel: str = "a", priority: int = 3) -> Ticket:
    return Ticket(
        name=name, workflow_id="video/a/b", first_run_id="r", channel=channel, video_id="b", number=1, priority=priority
    )


def longest(number: int, channel: int = 0) -> Ticket:
    """A ticket of a video whose names have 100 characters."""
    names = (f"{channel:0>100}", f"{number:0>100}")
    video = f"video/{names[0]}/{names[1]}"
    return Ticket(
        name=f"{video}#clip_500@abcdef12",
        workflow_id=video,
        first_run_id="0" * 36,
        channel=names[0],
        video_id=names[1],
        number=500,
    )


def queue() -> FairQueue:
    return FairQueue([], served={}, weights={}, arrivals=0)


def test_a_full_queue_refuses_what_comes_and_keeps_what_is_there() -> None:
    waiting = queue()
    refused = [name for number in range(10_000) for name in waiting.offer(ticket(f"t{number}"))]
    assert len(waiting) == MOST_WAITING
    assert [one.name for one in refused] == [f"t{number}" for number in range(MOST_WAITING, 10_000)]
    assert waiting.next().name == "t0"
    assert waiting.offer(ticket("late")) == []


def test_in_a_full_queue_the_less_urgent_gives_way_and_the_channel_that_has_the_most() -> None:
    waiting = queue()
    for number in range(MOST_WAITING):
        waiting.offer(ticket(f"a{number}", "a"))
    assert [one.name for one in waiting.offer(ticket("b0", "b"))] == [f"a{MOST_WAITING - 1}"]
    assert [one.name for one in waiting.offer(ticket("urgent", "a", priority=1))] == [f"a{MOST_WAITING - 2}"]
    assert [one.name for one in waiting.offer(ticket("patient", "c", priority=5))] == ["patient"]
    assert [one.name for one in waiting.offer(ticket("a-more", "a"))] == ["a-more"]
    for number in range(1, 2 * MOST_WAITING):
        waiting.offer(ticket(f"b{number}", "b"))
    shares = waiting.channels
    assert sum(shares.values()) == MOST_WAITING
    assert abs(shares["a"] - shares["b"]) <= 2


def test_a_ticket_that_is_too_large_is_refused_whatever_room_there_is() -> None:
    large = ticket("t").model_copy(update={"name": "\N{SNOWMAN}" * MOST_TICKET_BYTES})  # no contract lets it through
    waiting = queue()
    assert waiting.offer(large) == [large]
    assert len(waiting) == 0


def test_shares_of_channels_that_do_not_wait_are_forgotten_beyond_a_number() -> None:
    waiting = queue()
    for number in range(3 * MOST_CHANNELS):
        waiting.offer(ticket(f"t{number}", f"c{number}"))
        waiting.next()
    assert len(waiting.served) == MOST_CHANNELS


def test_pages_of_tickets_neither_skip_nor_end_early_when_the_gate_begins_a_new_run() -> None:
    line = Line(GateState(limit=0))
    line.enter([ticket(f"t{number}") for number in range(250)])
    first = line.page(TicketsAfter(limit=100))
    assert [one.ticket.name for one in first.tickets] == [f"t{number}" for number in range(100)]
    line.leave([f"t{number}" for number in range(0, 250, 2)])
    line = Line(line.state())
    rest: list[str] = []
    after, more = first.tickets[-1].arrival, True
    while more:
        page = line.page(TicketsAfter(after=after, limit=40))
        rest += [one.ticket.name for one in page.tickets]
        after, more = page.tickets[-1].arrival, page.more
    assert set(rest) >= {f"t{number}" for number in range(101, 250, 2)}


def test_all_that_a_gate_knows_stays_below_one_mebibyte_with_the_longest_names() -> None:
    line = Line(GateState(limit=MOST_SLOTS, counted=True, pace=500, pace_seconds=3_600))
    line.proven = True
    line.enter(longest(number, channel=number) for number in range(MOST_SLOTS))
    assert len(line.admit(NOON)) == MOST_SLOTS
    line.enter(longest(number, channel=number) for number in range(1_000, 11_000))
    for number in range(MOST_CHANNELS):
        line.set_weight(f"{number:0>100}", 2.5)
    assert not line.has_room_for_weight("one-more")
    line.trip(Closing(reason="\N{SNOWMAN}" * 100_000, error_type="X" * 1_000))
    for number in range(10_000):
        line.door.stand_by(f"video/{number:0>100}/{number:0>100}")
    assert len(line.door.standing_by) == MOST_STANDING_BY
    state = line.state()
    assert len(state.waiting) > 400
    assert len(state.model_dump_json().encode()) < MIB
    assert len(line.status().model_dump_json().encode()) < MIB // 2
    assert len(line.page(TicketsAfter(limit=500)).model_dump_json().encode()) < MIB // 2
    again = Line(GateState.model_validate_json(state.model_dump_json()))
    assert again.state() == state


def test_an_abandoned_place_is_not_taken_up_by_a_late_reminder() -> None:
    line = Line(GateState(limit=1))
    line.enter([ticket("t0")])
    line.admit(NOON)
    assert [held.ticket.name for held in line.still_waiting([ticket("t0")]).inside] == ["t0"]
    line.abandon(["t0"])
    assert line.still_waiting([ticket("t0")]).inside == []
    assert line.held[0].abandoned
    assert line.expired(NOON + timedelta(days=1)) == ["t0"]
