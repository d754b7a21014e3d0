"""The ledger of orders on a real PostgreSQL."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from studio.contracts.clip import ClipId
from studio.errors import BeingOrdered, SubmissionUnknown
from studio.store.costs import CostStore
from studio.store.orders import Order, Verdict
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger

CLIP = ClipId(channel="poke1", video_id="vid_1", number=7)
ORDER = Order(clip=CLIP, take="a" * 64, provider="kling", model="m", seconds=10, price_usd=Decimal("0.42"))


@pytest.fixture
def ledger(database: Database) -> SubmissionLedger:
    return SubmissionLedger(database)


async def settle(ledger: SubmissionLedger, submission_id: str, verdict: Verdict, usd: str = "0.42") -> None:
    await ledger.settle(
        submission_id, task_id=f"t-{submission_id}", verdict=verdict, billed_usd=Decimal(usd), billed_credits=None
    )


def numbered(number: int) -> Order:
    """An order for another clip, with another take."""
    return replace(ORDER, clip=CLIP.model_copy(update={"number": number}), take=f"{number:064x}")


async def test_an_order_that_was_not_sent_yet_is_found_again(ledger: SubmissionLedger) -> None:
    first = await ledger.intend(ORDER, sender="me")
    assert await ledger.intend(ORDER, sender="me") == first
    assert first.state == "intended"


async def test_only_one_of_many_may_send(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    tries = await asyncio.gather(*(ledger.send(submission, "me") for _ in range(8)), return_exceptions=True)
    assert [t for t in tries if not isinstance(t, BeingOrdered)] == [1]


async def test_many_workers_that_begin_at_once_write_one_order_down(ledger: SubmissionLedger) -> None:
    found = await asyncio.gather(*(ledger.intend(ORDER, sender="me") for _ in range(8)))
    assert len({submission.id for submission in found}) == 1


async def test_an_order_that_was_sent_and_not_answered_is_never_sent_again(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    for _ in range(2):
        with pytest.raises(SubmissionUnknown):
            await ledger.intend(ORDER, sender="me")
    with pytest.raises(BeingOrdered):
        await ledger.send(submission, "me")


async def test_an_unknown_order_whose_receipt_turns_up_is_adopted(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await ledger.lose(submission.id, "the answer got lost")
    await ledger.accept(submission.id, "task-1")
    assert (await ledger.intend(ORDER, sender="me")).task_id == "task-1"


async def test_what_certainly_did_not_happen_may_be_sent_again(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    assert await ledger.send(submission, "me") == 1
    await ledger.put_back(submission.id, "429")
    assert (await ledger.intend(ORDER, sender="me")).id == submission.id
    assert await ledger.send(submission, "me") == 2


async def test_who_knows_that_he_did_not_send_may_send_again_and_nobody_else(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    with pytest.raises(SubmissionUnknown):
        await ledger.intend(ORDER, sender="me", unsent_claim="somebody else")
    other = replace(ORDER, take="b" * 64)
    submission = await ledger.intend(other, sender="me")
    await ledger.send(submission, "me")
    assert (await ledger.intend(other, sender="me", unsent_claim="me")).state == "intended"
    assert await ledger.send(submission, "me again") == 2


async def test_an_accepted_order_is_the_way_to_the_clip(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await ledger.accept(submission.id, "task-1")
    again = await ledger.intend(ORDER, sender="me")
    assert (again.id, again.task_id, again.state) == (submission.id, "task-1", "accepted")


async def test_a_delivered_order_is_not_ordered_again(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await settle(ledger, submission.id, "delivered")
    assert (await ledger.intend(ORDER, sender="me")).attempt == 1


@pytest.mark.parametrize("verdict", ["failed", "bad"])
async def test_after_a_failure_the_next_attempt_is_an_order_of_its_own(
    ledger: SubmissionLedger, verdict: Verdict
) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await settle(ledger, submission.id, verdict)
    again = await ledger.intend(ORDER, sender="me")
    assert (again.attempt, again.state) == (2, "intended")
    assert again.id != submission.id


async def test_after_a_refusal_the_next_attempt_is_an_order_of_its_own(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await ledger.refuse(submission.id, "422")
    assert (await ledger.intend(ORDER, sender="me")).attempt == 2


async def test_a_bad_file_condemns_its_order(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await settle(ledger, submission.id, "delivered")
    await ledger.condemn(CLIP.channel, ORDER.take, f"t-{submission.id}", "black")
    assert (await ledger.intend(ORDER, sender="me")).attempt == 2


async def test_another_prompt_is_another_order(ledger: SubmissionLedger) -> None:
    first = await ledger.intend(ORDER, sender="me")
    await ledger.send(first, "me")
    other = await ledger.intend(replace(ORDER, take="b" * 64), sender="me")
    assert other.id != first.id
    assert other.state == "intended"


async def test_settling_twice_changes_nothing_and_mends_a_lost_receipt(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await settle(ledger, submission.id, "delivered")
    await settle(ledger, submission.id, "delivered")
    assert (await ledger.intend(ORDER, sender="me")).task_id == f"t-{submission.id}"


# ── two clips that want the same take ────────────────────────────────────

ELSEWHERE = replace(ORDER, clip=CLIP.model_copy(update={"video_id": "vid_2", "number": 3}))


async def test_an_order_that_another_film_sends_just_now_is_waited_for(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me/1")
    with pytest.raises(BeingOrdered):
        await ledger.intend(ELSEWHERE, sender="you")
    await ledger.accept(submission.id, "task-1")
    shared = await ledger.intend(ELSEWHERE, sender="you")
    assert (shared.id, shared.task_id, shared.clip) == (submission.id, "task-1", CLIP)


async def test_an_order_that_another_film_sent_long_ago_is_lost(ledger: SubmissionLedger, database: Database) -> None:
    await ledger.send(await ledger.intend(ORDER, sender="me"), "me/1")
    async with database.transaction() as connection:
        await connection.execute("update submissions set updated_at = now() - interval '2 minutes'")
    with pytest.raises(SubmissionUnknown, match="the worker stopped"):
        await ledger.intend(ELSEWHERE, sender="you")


async def test_an_order_nobody_sent_yet_belongs_to_whoever_sends_it(ledger: SubmissionLedger) -> None:
    first = await ledger.intend(ORDER, sender="me")
    taken = await ledger.intend(ELSEWHERE, sender="you")
    assert (taken.id, taken.clip) == (first.id, ELSEWHERE.clip)
    with pytest.raises(BeingOrdered):
        await ledger.send(first, "me/1")
    assert await ledger.send(taken, "you/1") == 1
    assert [clip.number for clip in await ledger.ordered("poke1", "vid_2")] == [3]


async def test_another_channel_shares_nothing(ledger: SubmissionLedger) -> None:
    first = await ledger.intend(ORDER, sender="me")
    theirs = replace(ORDER, clip=CLIP.model_copy(update={"channel": "poke2"}))
    assert (await ledger.intend(theirs, sender="you")).id != first.id


async def test_what_is_with_the_provider_is_listed_with_its_price(ledger: SubmissionLedger) -> None:
    for number in range(1, 5):
        order = numbered(number)
        submission = await ledger.intend(order, sender="me")
        if number > 1:
            await ledger.send(submission, "me")
        if number > 2:
            await ledger.accept(submission.id, f"task-{number}")
        if number > 3:
            await settle(ledger, submission.id, "delivered")
    ordered = await ledger.ordered("poke1", "vid_1")
    assert [(clip.number, clip.task_id, clip.cost_usd) for clip in ordered] == [
        (2, None, Decimal("0.42")),
        (3, "task-3", Decimal("0.42")),
    ]


async def test_eighteen_clips_of_ten_seconds_cost_7_56_usd(ledger: SubmissionLedger, database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            """insert into films (channel, video_id, workflow_id, provider, status, clip_count, revision)
               values ('poke1', 'vid_1', 'w', 'kling', 'processing', 18, 1)"""
        )
    for number in range(1, 19):
        submission = await ledger.intend(numbered(number), sender="me")
        await ledger.send(submission, "me")
        await settle(ledger, submission.id, "delivered")
    costs = CostStore(database)
    for _ in range(2):  # booking again never doubles
        (cost,) = await costs.book("poke1", "vid_1")
        assert (cost.component, cost.cost_usd, cost.api_calls, cost.units) == (
            "kling_video_clips",
            Decimal("7.56"),
            18,
            18,
        )
    async with database.transaction() as connection:
        assert await connection.fetchval("select total_cost_usd from films") == Decimal("7.56")
