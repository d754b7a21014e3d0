"""The ledger of orders on a real PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from studio.contracts.clip import ClipId
from studio.errors import BeingOrdered, SubmissionUnknown
from studio.store.costs import CostStore
from studio.store.orders import Order, Submission, Verdict
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger

CLIP = ClipId(channel="poke1", video_id="vid_1", number=7)
ORDER = Order(clip=CLIP, take="a" * 64, provider="kling", model="m", seconds=10, price_usd=Decimal("0.42"))


TEN_MINUTES = timedelta(minutes=10)
GAP = timedelta(minutes=2)


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
    await ledger.put_back(submission.id, "429", claim="me")
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
    await ledger.refuse(submission.id, "422", claim="me")
    assert (await ledger.intend(ORDER, sender="me")).attempt == 2


async def test_a_bad_file_condemns_its_order(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me")
    await settle(ledger, submission.id, "delivered")
    await ledger.condemn(CLIP.channel, f"t-{submission.id}", "black")
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


# ── books that are closed, and late news ─────────────────────────────────


async def sent(ledger: SubmissionLedger, number: int = 1, claim: str = "R/5/x") -> Submission:
    submission = await ledger.intend(numbered(number), sender="R/5")
    await ledger.send(submission, claim)
    return submission


async def row(database: Database, submission_id: str) -> dict[str, Any]:
    async with database.transaction() as connection:
        found = await connection.fetchrow("select * from submissions where id = $1", submission_id)
    return dict(found or {})


async def test_closed_books_are_not_rewritten_and_no_bill_is_lowered(
    ledger: SubmissionLedger, database: Database
) -> None:
    """One wrong answer after the end, of whatever kind, changes nothing."""
    ends: list[tuple[Verdict, str]] = [("delivered", "0.42"), ("failed", "0.42"), ("bad", "0.42")]
    for number, (verdict, usd) in enumerate(ends, start=1):
        submission = await sent(ledger, number)
        await settle(ledger, submission.id, verdict, usd)
        before = await row(database, submission.id)
        await settle(ledger, submission.id, "failed", "0.00")
        await settle(ledger, submission.id, "delivered", "0.10")
        await ledger.settle_late(submission.id, f"t-{submission.id}", Decimal("0.01"))
        await ledger.lose(submission.id, "gone")
        await ledger.put_back(submission.id, "429", claim="R/5/x")
        await ledger.refuse(submission.id, "422", claim="R/5/x")
        assert await ledger.accept(submission.id, f"t-{submission.id}") is None
        assert await row(database, submission.id) == before, verdict


async def test_an_order_is_settled_as_the_task_it_has(ledger: SubmissionLedger, database: Database) -> None:
    submission = await sent(ledger)
    await ledger.accept(submission.id, "task-1")
    await ledger.settle(submission.id, task_id="task-2", verdict="failed", billed_usd=Decimal(0), billed_credits=None)
    assert (await row(database, submission.id))["state"] == "accepted"


async def passed(database: Database, submission_id: str, *, minutes: float) -> None:
    """So much time passes, by the only clock that counts."""
    async with database.transaction() as connection:
        for column in ("accepted_at", "sent_at", "absent_since", "absent_at", "looked_at", "updated_at", "settled_at"):
            await connection.execute(
                f"update submissions set {column} = {column} - $2::interval where id = $1",
                submission_id,
                timedelta(minutes=minutes),
            )


async def test_absence_is_believed_after_ten_minutes_without_a_break_and_the_order_stays_paid(
    ledger: SubmissionLedger, database: Database
) -> None:
    """Not after one answer, however late; not across a break; not when the task was seen in between."""
    submission = await sent(ledger)
    await ledger.accept(submission.id, "task-1")

    async def absent() -> bool | None:
        return await ledger.absent(submission.id, "task-1", lasting=TEN_MINUTES, gap=GAP, watching=True)

    await passed(database, submission.id, minutes=60)
    assert await absent() is False, "the first word of it, an hour after the order"
    await passed(database, submission.id, minutes=11)
    assert await absent() is False, "two words with a break of eleven minutes"
    for _ in range(6):
        await passed(database, submission.id, minutes=1.5)
        assert await absent() is False
    await ledger.looked(submission.id, "task-1", watching=True)
    for _ in range(6):
        await passed(database, submission.id, minutes=1.5)
        assert await absent() is False, "nine minutes since it was seen"
    for _ in range(3):
        await passed(database, submission.id, minutes=1)
        over = await absent()
    assert over is True
    found = await row(database, submission.id)
    assert (found["state"], found["task_id"], found["billed_usd"]) == ("unknown", "task-1", None)
    assert "task-1" in found["reason"]
    assert [clip.cost_usd for clip in await ledger.ordered("poke1", "vid_1")] == [Decimal("0.42")]


async def test_an_order_just_accepted_has_ten_minutes_whatever_was_said_of_it_before(
    ledger: SubmissionLedger, database: Database
) -> None:
    submission = await sent(ledger)
    await ledger.lose(submission.id, "reset", task_id="task-1")
    for _ in range(8):
        await ledger.absent(submission.id, "task-1", lasting=TEN_MINUTES, gap=GAP, watching=False)
        await passed(database, submission.id, minutes=1.5)
    await ledger.accept(submission.id, "task-1")
    over = await ledger.absent(submission.id, "task-1", lasting=TEN_MINUTES, gap=GAP, watching=True)
    assert over is False


async def test_a_slow_sender_still_says_what_became_of_its_request(
    ledger: SubmissionLedger, database: Database
) -> None:
    """It was called unknown meanwhile: its receipt, its 429 and its 422 count all the same, but for its own claim."""
    for number, other in enumerate(("R/5/y", "R/51/x", "R/5", "")):
        submission = await sent(ledger, 10 + number)
        await ledger.lose(submission.id, "its worker went silent")
        assert await ledger.put_back(submission.id, "429", claim=other) is None
        assert await ledger.refuse(submission.id, "422", claim=other) is None
    ends = {}
    for number, say in enumerate(("receipt", "429", "422"), start=20):
        submission = await sent(ledger, number)
        with pytest.raises(SubmissionUnknown):
            await ledger.intend(numbered(number), sender="R/5")
        if say == "receipt":
            was = await ledger.accept(submission.id, "task-20")
        elif say == "429":
            was = await ledger.put_back(submission.id, say, claim="R/5/x")
        else:
            was = await ledger.refuse(submission.id, say, claim="R/5/x")
        ends[say] = (was, (await row(database, submission.id))["state"])
    assert ends == {"receipt": ("unknown", "accepted"), "429": ("unknown", "intended"), "422": ("unknown", "refused")}


async def test_claims_are_compared_in_whole_parts(ledger: SubmissionLedger) -> None:
    """`R/51` is not `R/5`: its order is on its way, not lost."""
    submission = await ledger.intend(numbered(1), sender="R/51")
    await ledger.send(submission, "R/51/x")
    with pytest.raises(BeingOrdered):
        await ledger.intend(numbered(1), sender="R/5")
    with pytest.raises(SubmissionUnknown):
        await ledger.intend(numbered(1), sender="R/51")


async def test_adopting_the_task_an_order_has_is_a_success_and_another_one_is_written_down(
    ledger: SubmissionLedger, database: Database
) -> None:
    submission = await sent(ledger)
    assert await ledger.accept(submission.id, "task-1") == "sent"
    assert await ledger.accept(submission.id, "task-1") is None
    assert await ledger.accept(submission.id, "task-2") is None
    found = await row(database, submission.id)
    assert (found["state"], found["task_id"]) == ("accepted", "task-1")
    assert "task-2" in found["reason"]


async def test_a_task_that_lives_opens_the_books_of_a_refused_or_failed_order(
    ledger: SubmissionLedger, database: Database
) -> None:
    refused, failed = await sent(ledger, 1), await sent(ledger, 2)
    await ledger.refuse(refused.id, "422", claim="R/5/x")
    await settle(ledger, failed.id, "failed", "0")
    assert await ledger.accept(refused.id, "task-1") == "refused"
    assert await ledger.accept(failed.id, f"t-{failed.id}") is None, "the receipt of a task that failed opens nothing"
    assert await ledger.accept(failed.id, f"t-{failed.id}", proven=True) == "settled"
    for submission in (refused, failed):
        assert (await row(database, submission.id))["state"] == "accepted"


async def test_a_task_named_by_an_unclear_answer_is_kept_unless_it_is_another_orders(
    ledger: SubmissionLedger, database: Database
) -> None:
    theirs, ours, clash = await sent(ledger, 1), await sent(ledger, 2), await sent(ledger, 3)
    await ledger.accept(theirs.id, "task-1")
    await ledger.lose(ours.id, "a page\x00 of \ud800 HTML" + "x" * 5_000, task_id="task-2", claim="R/5/x")
    await ledger.lose(clash.id, "odd", task_id="task-1", claim="R/5/x")
    assert [(await row(database, one.id))["task_id"] for one in (ours, clash)] == ["task-2", None]
    assert "task-1" in (await row(database, clash.id))["reason"]


async def test_a_lost_receipt_is_mended_by_the_next_look(ledger: SubmissionLedger, database: Database) -> None:
    submission = await sent(ledger)
    await ledger.looked(submission.id, "task-1", watching=True)
    found = await row(database, submission.id)
    assert (found["state"], found["task_id"]) == ("accepted", "task-1")


async def test_an_order_that_is_sent_while_another_clip_takes_it_over_stays_its_senders(
    ledger: SubmissionLedger, database: Database
) -> None:
    """The other one reads it as not sent, and the claim is written before its next step."""
    first = await ledger.intend(ORDER, sender="me")
    async with database.transaction() as connection:
        await connection.execute("update submissions set state = 'sent', claim = 'me/1', updated_at = now()")
        taking = asyncio.create_task(ledger.intend(ELSEWHERE, sender="you"))
        await asyncio.sleep(0)
    with pytest.raises(BeingOrdered):
        await taking
    assert (await row(database, first.id))["video_id"] == "vid_1"


async def test_no_amount_can_be_odd_in_the_database(ledger: SubmissionLedger, database: Database) -> None:
    """NaN is a number to PostgreSQL, and larger than every other."""
    submission = await sent(ledger)
    columns = ("price_usd", "billed_usd", "billed_credits", "credits_before", "credits_after")
    odd = [(column, value) for column in columns for value in ("'NaN'", "1e11" if "after" in column else "1e9")]
    odd += [(column, "-1") for column in columns[:3]]
    for column, value in odd:
        if (column, value) in (("credits_before", "1e9"),):
            continue
        with pytest.raises(asyncpg.PostgresError):
            async with database.transaction() as connection:
                await connection.execute(f"update submissions set {column} = {value} where id = $1", submission.id)
    for value in ("'NaN'", "-1", "1e30"):
        with pytest.raises(asyncpg.PostgresError):
            async with database.transaction() as connection:
                await connection.execute(f"insert into budgets (scope, limit_usd) values ('day', {value})")


# ── two clips that want the same take ────────────────────────────────────

ELSEWHERE = replace(ORDER, clip=CLIP.model_copy(update={"video_id": "vid_2", "number": 3}))


async def test_an_order_that_another_video_sends_just_now_is_waited_for(ledger: SubmissionLedger) -> None:
    submission = await ledger.intend(ORDER, sender="me")
    await ledger.send(submission, "me/1")
    with pytest.raises(BeingOrdered):
        await ledger.intend(ELSEWHERE, sender="you")
    await ledger.accept(submission.id, "task-1")
    shared = await ledger.intend(ELSEWHERE, sender="you")
    assert (shared.id, shared.task_id, shared.clip) == (submission.id, "task-1", CLIP)


async def test_an_order_that_another_video_sent_long_ago_is_lost(ledger: SubmissionLedger, database: Database) -> None:
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
            await ledger.accept(submission.id, f"task-{number}" if number == 3 else f"t-{submission.id}")
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
            """insert into videos (channel, video_id, workflow_id, provider, status, clip_count, revision)
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
        assert await connection.fetchval("select total_cost_usd from videos") == Decimal("7.56")
