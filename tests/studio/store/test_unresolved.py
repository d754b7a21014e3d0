"""Orders without a video, on a real PostgreSQL: the invariant, what recovery takes up, what is listed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipFile, ClipId
from studio.contracts.desk import Decision, DecisionKind
from studio.contracts.take import TakeParts
from studio.store.desk import DeskStore
from studio.store.orders import Order, Submission
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.store.unresolved import UnresolvedOrders

STILL = MediaRef(key="a/b.png", sha256="0" * 64, mime="image/png", size=1)
FILE = ClipFile(media=STILL, width=8, height=8, frames=1, seconds=5)
SOON = timedelta(minutes=5)
LATER = timedelta(minutes=30)


@pytest.fixture
def orders(database: Database) -> UnresolvedOrders:
    return UnresolvedOrders(database)


class Books:
    """Orders in every state; `accepted(3)` is clip 3's."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = SubmissionLedger(database)
        self.takes = TakeStore(database)

    async def sent(self, number: int) -> Submission:
        clip = ClipId(channel="poke1", video_id="vid_1", number=number)
        take = f"{number:064x}"
        parts = TakeParts(
            provider="kling",
            model="m",
            prompt="p",
            still=STILL,
            seconds=5,
            width=8,
            height=8,
            camera="static",
            strength=0.5,
        )
        await self.takes.want_another(clip, take, parts)
        order = Order(clip=clip, take=take, provider="kling", model="m", seconds=5, price_usd=Decimal("0.21"))
        submission = await self.ledger.intend(order, sender="me")
        await self.ledger.send(submission, "me")
        return submission

    async def accepted(self, number: int) -> Submission:
        submission = await self.sent(number)
        await self.ledger.accept(submission.id, f"t{number}")
        return submission

    async def delivered(self, number: int) -> Submission:
        submission = await self.accepted(number)
        await self.ledger.settle(
            submission.id, task_id=f"t{number}", verdict="delivered", billed_usd=Decimal("0.21"), billed_credits=None
        )
        return submission

    async def kept(self, number: int) -> Submission:
        submission = await self.delivered(number)
        await self.takes.finish("poke1", f"{number:064x}", FILE, cost_usd=Decimal("0.21"), task_id=f"t{number}")
        return submission

    async def in_video(self, number: int) -> Submission:
        submission = await self.delivered(number)
        async with self.database.transaction() as connection:
            await connection.execute(
                """insert into videos (channel, video_id, workflow_id, provider, status, clip_count, revision)
                   values ('poke1', 'vid_1', 'w', 'kling', 'processing', 18, 1) on conflict do nothing"""
            )
            await connection.execute(
                """insert into clips (channel, video_id, number, status, task_id, revision)
                   values ('poke1', 'vid_1', $1, 'done', $2, 1)""",
                number,
                f"t{number}",
            )
        return submission

    async def passes(self, time: timedelta) -> None:
        """So much time passes for all orders, by PostgreSQL's clock."""
        columns = ("sent_at", "accepted_at", "settled_at", "looked_at", "watched_at", "updated_at")
        changes = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
        async with self.database.transaction() as connection:
            await connection.execute(f"update submissions set {changes}", time)


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


async def handed_out(orders: UnresolvedOrders) -> list[str]:
    return sorted(await orders.hand_out(unwatched=SOON, undelivered=LATER))


async def test_the_invariant_names_every_paid_order_without_a_clip_and_none_else(
    orders: UnresolvedOrders, books: Books
) -> None:
    """Accepted or delivered, in no video, no take, and not unresolved."""
    accepted, delivered = await books.accepted(1), await books.delivered(2)
    await books.kept(3)
    await books.in_video(4)
    await books.sent(5)
    lost = await books.accepted(6)
    await books.ledger.absent(lost.id, "t6", lasting=timedelta(0), gap=SOON, watching=True)
    bad = await books.delivered(7)
    await books.ledger.condemn("poke1", "t7", "black")
    assert bad.id != lost.id
    found = [
        (order.submission_id, order.state, order.task_id) for order in await orders.orphaned(unwatched=timedelta())
    ]
    assert sorted(found) == sorted([(accepted.id, "accepted", "t1"), (delivered.id, "settled", "t2")])
    assert await orders.orphaned(unwatched=SOON) == [], "a video may still wait for them"
    await books.passes(SOON * 2)
    assert len(await orders.orphaned(unwatched=SOON)) == 2
    await books.passes(timedelta(hours=1))
    assert await orders.orphaned(unwatched=SOON) == [], "by now a person is told"
    listed = {order.submission_id: order.state for order in await DeskStore(books.database).lost()}
    assert {accepted.id: "accepted", delivered.id: "settled", lost.id: "unknown"}.items() <= listed.items()
    assert len(listed) == 4  # and the one whose worker went silent


async def test_an_order_whose_task_another_channel_has_is_not_here(orders: UnresolvedOrders, books: Books) -> None:
    await books.delivered(1)
    async with books.database.transaction() as connection:
        await connection.execute(
            """insert into takes (channel, take, parts, video_id, number, file, task_id)
               values ('poke2', 'x', '{}', 'v', 1, '{}', 't1')"""
        )
    assert len(await orders.orphaned(unwatched=timedelta())) == 1


async def test_recovery_takes_up_what_no_video_watches_and_each_order_once(
    orders: UnresolvedOrders, books: Books
) -> None:
    """All of them, not only the newest order of a clip."""
    accepted = [await books.accepted(number) for number in (1, 2)]
    watched = await books.accepted(3)
    named, nameless = await books.sent(4), await books.sent(5)
    await books.ledger.lose(named.id, "odd", task_id="t4")
    await books.ledger.lose(nameless.id, "odd")
    delivered = await books.delivered(6)
    await books.kept(7)
    assert await handed_out(orders) == []
    await books.passes(SOON * 2)
    await books.ledger.looked(watched.id, "t3", watching=True)
    assert await handed_out(orders) == sorted([*(order.id for order in accepted), named.id])
    assert await handed_out(orders) == [], "not again at once, whoever asks"
    await books.passes(LATER)
    assert delivered.id in await handed_out(orders)
    assert watched.id not in await handed_out(orders)


async def test_what_cannot_be_recovered_is_tried_ever_more_rarely_and_in_the_end_no_more(
    orders: UnresolvedOrders, books: Books
) -> None:
    await books.delivered(1)
    taken = []
    for hour in range(0, 24 * 40, 12):
        await books.passes(timedelta(hours=12))
        if await handed_out(orders):
            taken.append(hour)
    assert taken[0] == 0
    assert 4 < len(taken) < 20
    assert taken[-1] < 24 * 30


async def test_watching_is_told_from_recovering(books: Books) -> None:
    one = await books.accepted(1)
    await books.ledger.looked(one.id, "t1", watching=False)
    assert not await books.ledger.is_watched(one.id, within=SOON)
    await books.ledger.watch(one.id)
    assert await books.ledger.is_watched(one.id, within=SOON)
    await books.passes(SOON * 2)
    assert not await books.ledger.is_watched(one.id, within=SOON)


async def test_a_listed_order_may_be_written_off_whatever_its_state(books: Books) -> None:
    """Accepted and never finished, delivered and nowhere to be had: else the clip could never be made again."""
    stuck, gone = await books.accepted(1), await books.delivered(2)
    await books.passes(timedelta(hours=1))
    desk = DeskStore(books.database)
    for order in (stuck, gone):
        decision = Decision(submission_id=order.id, kind=DecisionKind.RESUBMIT, who="ann", why="gone")
        found: Any = await desk.decide(decision, words="done")
        assert (found.state, [clip.number for clip in found.wanted_by]) == ("settled", [order.number])
    assert await desk.lost() == []


async def test_every_video_that_wants_the_take_is_named(books: Books) -> None:
    order = await books.sent(1)
    async with books.database.transaction() as connection:
        await connection.execute(
            "insert into clip_takes (channel, video_id, number, take) values ('poke1', 'vid_2', 7, $1)", f"{1:064x}"
        )
    wanted = await books.ledger.wanted_by(order.id)
    assert sorted((clip.video_id, clip.number) for clip in wanted) == [("vid_1", 1), ("vid_2", 7)]
