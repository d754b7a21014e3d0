"""Decisions about lost orders, on a real PostgreSQL."""

import dataclasses
from datetime import timedelta
from decimal import Decimal

import pytest

from studio.contracts.clip import ClipId
from studio.contracts.desk import Decision, DecisionKind
from studio.errors import InvalidRequest
from studio.store.desk import DeskStore
from studio.store.orders import Order, Submission
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger

CLIP = ClipId(channel="poke1", video_id="vid_1", number=1)
ORDER = Order(clip=CLIP, take="a" * 64, provider="kling", model="m", seconds=5, price_usd=Decimal("0.21"))


@pytest.fixture
def desk(database: Database) -> DeskStore:
    return DeskStore(database)


@pytest.fixture
async def lost(database: Database) -> Submission:
    """An order whose answer got lost."""
    ledger = SubmissionLedger(database)
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await ledger.lose(submission.id, "reset")
    return submission


def decision(lost: Submission, kind: DecisionKind, task: str | None = None, *, who: str = "ann") -> Decision:
    return Decision(submission_id=lost.id, kind=kind, who=who, why="because", task_id=task)


@pytest.mark.parametrize(
    ("kind", "task", "state"),
    [
        (DecisionKind.ADOPT, "t-1", "accepted"),
        (DecisionKind.WRITE_OFF, None, "settled"),
        (DecisionKind.RESUBMIT, None, "settled"),
    ],
)
async def test_a_decision_that_was_carried_out_before_is_found_and_not_refused(
    desk: DeskStore, database: Database, lost: Submission, kind: DecisionKind, task: str | None, state: str
) -> None:
    """A worker may die between doing it and saying so; the next one is asked the same again."""
    ends = [await desk.decide(decision(lost, kind, task), words=words) for words in ("done", "again")]
    assert [(end.state, end.task_id, end.words) for end in ends] == [(state, task, "done")] * 2
    async with database.transaction() as connection:
        assert await connection.fetchval("select count(*) from decisions") == 1


async def test_another_decision_comes_too_late(desk: DeskStore, lost: Submission) -> None:
    await desk.decide(decision(lost, DecisionKind.ADOPT, "t-1"), words="done")
    for late in (
        decision(lost, DecisionKind.ADOPT, "t-2"),
        decision(lost, DecisionKind.RESUBMIT),
    ):
        with pytest.raises(InvalidRequest, match="is not a lost order"):
            await desk.decide(late, words="late")
    again = await desk.decide(decision(lost, DecisionKind.ADOPT, "t-1", who="bob"), words="late")
    assert (again.state, again.task_id) == ("accepted", "t-1"), "the task it has already: a success"


async def test_a_take_tells_how_its_newest_order_stands(desk: DeskStore, lost: Submission) -> None:
    await desk.decide(decision(lost, DecisionKind.RESUBMIT), words="done")
    found = await desk.newest_of_take("poke1", ORDER.take, words="lost no more")
    assert (found.submission_id, found.state) == (lost.id, "settled")
    with pytest.raises(InvalidRequest):
        await desk.newest_of_take("poke1", "b" * 64, words="")


async def test_an_order_that_is_being_sent_is_not_lost_yet(
    desk: DeskStore, database: Database, lost: Submission
) -> None:
    """Only when no worker can be sending it any more."""
    async with database.transaction() as connection:
        await connection.execute("update submissions set state = 'sent', updated_at = now()")
    assert await desk.lost() == []
    async with database.transaction() as connection:
        await connection.execute("update submissions set updated_at = now() - interval '6 minutes'")
    assert [order.submission_id for order in await desk.lost()] == [lost.id]


async def test_orders_are_counted_with_the_age_of_the_oldest(desk: DeskStore, database: Database) -> None:
    nobody = await desk.count()
    assert (nobody.open, nobody.oldest) == (0, timedelta(0))
    ledger = SubmissionLedger(database)
    for number, minutes in ((1, 7), (2, 30), (3, 1)):
        clip = CLIP.model_copy(update={"number": number})
        submission = await ledger.intend(dataclasses.replace(ORDER, clip=clip, take=f"{number:064x}"), sender="me")
        await ledger.send(submission, "me")
        async with database.transaction() as connection:
            await connection.execute(
                """update submissions set sent_at = now() - $2::interval, updated_at = now() - $2::interval
                    where id = $1""",
                submission.id,
                timedelta(minutes=minutes),
            )
    lost = await desk.count()  # the third may still be on its way
    assert lost.open == 2
    assert timedelta(minutes=30) <= lost.oldest < timedelta(minutes=31)
