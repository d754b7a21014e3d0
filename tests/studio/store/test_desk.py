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


async def test_the_order_of_the_own_take_is_meant_not_the_oldest_of_the_clip(
    desk: DeskStore, database: Database, lost: Submission
) -> None:
    """The clip was changed since: its older order is another matter."""
    ledger = SubmissionLedger(database)
    newer = await ledger.intend(dataclasses.replace(ORDER, take="b" * 64), sender="me")
    await ledger.send(newer, "me")
    await ledger.lose(newer.id, "reset")
    found = {take: await desk.of_take("poke1", take * 64) for take in "abc"}
    assert {take: order and order.submission_id for take, order in found.items()} == {
        "a": lost.id,
        "b": newer.id,
        "c": None,
    }


async def test_a_task_that_lives_is_adopted_by_a_refused_or_failed_order_and_a_dead_one_changes_nothing(
    desk: DeskStore, database: Database
) -> None:
    """Something refused an order that the provider accepted all the same, or took it for failed."""
    ledger = SubmissionLedger(database)
    orders = []
    for number, verdict in enumerate(("refused", "failed"), start=2):
        order = dataclasses.replace(ORDER, clip=CLIP.model_copy(update={"number": number}), take=f"{number:064x}")
        submission = await ledger.intend(order, sender="me")
        await ledger.send(submission, "me")
        if verdict == "refused":
            await ledger.refuse(submission.id, "422", claim="me")
        else:
            await ledger.settle(
                submission.id, task_id="t-3", verdict="failed", billed_usd=Decimal(0), billed_credits=None
            )
        orders.append(submission)
    refused, failed = orders
    with pytest.raises(InvalidRequest):
        await desk.decide(decision(failed, DecisionKind.WRITE_OFF), words="no")
    dead = await desk.decide(decision(failed, DecisionKind.ADOPT, "t-3"), words="dead")
    assert dead.state == "settled"
    async with database.transaction() as connection:
        assert await connection.fetchval("select count(*) from decisions") == 0, "nothing was decided"
    alive = await desk.decide(decision(failed, DecisionKind.ADOPT, "t-3"), words="alive", proven=True)
    assert alive.state == "accepted"
    adopted = await desk.decide(decision(refused, DecisionKind.ADOPT, "t-2"), words="ours", proven=True)
    assert (adopted.state, adopted.task_id) == ("accepted", "t-2")


async def test_an_order_with_a_task_does_not_take_another_one(desk: DeskStore, database: Database) -> None:
    ledger = SubmissionLedger(database)
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await ledger.accept(submission.id, "t-1")
    async with database.transaction() as connection:
        await connection.execute("update submissions set accepted_at = now() - interval '1 hour'")
    assert [order.state for order in await desk.lost()] == ["accepted"], "not finished for twice the longest clip"
    with pytest.raises(InvalidRequest, match="another task already"):
        await desk.decide(decision(submission, DecisionKind.ADOPT, "t-2"), words="no")


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
