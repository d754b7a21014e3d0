"""Sending an order and looking at it, against the simulated KIE.ai and a real PostgreSQL that misbehave."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities._order import PublicAddresses
from activities._settling import bill_of
from activities._stills import PreparedStills
from activities.gatekeeping import GateActivities, Slots
from activities.hosting import UploadedStills
from activities.kling import KlingActivities
from activities.kling_pace import KlingPace
from simulators.kie import KieSimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId, ClipJob, ClipSubmission, Framing, HostedStill
from studio.contracts.gate import HeldSlot, Slot, Sweep, Ticket
from studio.errors import BeingOrdered, DatabaseUnavailable, StillRendering, SubmissionUnknown
from studio.objects.store import StorePlace, open_store
from studio.providers.kie import KieTask, open_kie
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger
from tests.conftest import SPEED
from tests.studio_at_work import eventually

CLIP = ClipId(channel="poke1", video_id="vid_1", number=1)
MODEL = "kling/v2-5-turbo-image-to-video-pro"
PACE = KlingPace(look_min=timedelta(seconds=10), look_max=timedelta(seconds=20), speed=SPEED)
ONE_LOOK = dataclasses.replace(PACE, speed=1.0)
"""The next look is so far away that an attempt ends with its first one."""
TROUBLES = ("53100", "42501", "55P03", "57014", "40P01", "58030", "53200", "40001", "25006", "XX000")


def submission(number: int = 1) -> ClipSubmission:
    return ClipSubmission(
        clip=CLIP.model_copy(update={"number": number}),
        take=f"{number:064x}",
        still=MediaRef(key="channels/poke1/1.png", sha256="0" * 64, mime="image/png"),
        framing=Framing(width=16, height=9),
        hosted=HostedStill(url="http://stills.test/1.png", since=datetime.now(UTC)),
        prompt=f"Haunter floats down corridor {number:02d}. Slow dolly forward.",
        seconds=5,
        model=MODEL,
        slot=Slot(gate="gate/kling", ticket=f"t{number}"),
    )


class Worker:
    """The activities of the queue kling, in surroundings that a test chooses."""

    def __init__(self, temporal: Client, database: Database, kie: KieSimulator, folder: Path) -> None:
        self.temporal, self.database, self.kie, self.folder = temporal, database, kie, folder
        self.objects = open_store(StorePlace(url=f"file://{folder}"))
        self.ledger = SubmissionLedger(database)
        self.beats: list[tuple[Any, ...]] = []

    @asynccontextmanager
    async def kling(self, pace: KlingPace = PACE) -> AsyncIterator[KlingActivities]:
        async with open_kie(key="sim-key", api_url=self.kie.api_url, upload_url=self.kie.upload_url) as client:
            addresses = PublicAddresses(
                UploadedStills(PreparedStills(self.objects, work_dir=self.folder / "work"), client), callbacks=None
            )
            yield KlingActivities(client, self.ledger, Slots(self.temporal), pace=pace, addresses=addresses)

    def environment(self, *, details: Sequence[Any] = (), ahead: float = 0, waited: float = 1) -> ActivityEnvironment:
        """As the server describes the attempt; this machine's clock is `ahead` of the server's by so many seconds."""
        now = datetime.now(UTC) - timedelta(seconds=ahead)
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda *details: self.beats.append(details)
        environment.info = dataclasses.replace(
            environment.info,
            workflow_run_id="R",
            activity_id="5",
            heartbeat_timeout=timedelta(seconds=20),
            heartbeat_details=tuple(details),
            scheduled_time=now - timedelta(seconds=waited),
            started_time=now,
        )
        return environment

    async def submit(self, number: int = 1, pace: KlingPace = PACE, **info: Any) -> ClipJob:
        async with self.kling(pace) as kling:
            return await self.environment(**info).run(kling.submit_clip, submission(number))

    async def look(self, job: ClipJob, pace: KlingPace = ONE_LOOK, **info: Any) -> Any:
        async with self.kling(pace) as kling:
            return await self.environment(**info).run(kling.await_clip, job)

    async def row(self, number: int = 1) -> dict[str, Any]:
        async with self.database.transaction() as connection:
            found = await connection.fetchrow(
                "select state, verdict, task_id, claim, reason, billed_usd from submissions where number = $1", number
            )
        return dict(found or {})

    async def blocked(self) -> int:
        """Statements that wait for a lock in PostgreSQL just now."""
        async with self.database.transaction() as connection:
            waiting = (
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            )
            return int(await connection.fetchval(waiting))

    async def trouble(self, when: str, do: str) -> None:
        """Have PostgreSQL do this whenever an order is written for which `when` holds."""
        async with self.database.transaction() as connection:
            await connection.execute("create sequence if not exists troubles")
            await connection.execute("drop trigger if exists trouble on submissions")
            await connection.execute(
                f"""create or replace function trouble() returns trigger language plpgsql as $$
                    begin {do} return new; end $$"""
            )
            await connection.execute(
                f"create trigger trouble before update on submissions for each row when ({when}) "
                "execute function trouble()"
            )

    async def fail_once(self, when: str, sqlstate: str) -> None:
        """A sequence is not rolled back with the statement that fails."""
        await self.trouble(
            when, f"if nextval('troubles') = 1 then raise exception 'no' using errcode = '{sqlstate}'; end if;"
        )
        async with self.database.transaction() as connection:
            await connection.execute("alter sequence troubles restart")


@pytest.fixture
def worker(temporal: Client, database: Database, kie: KieSimulator, tmp_path: Path) -> Worker:
    kie.configure(duration=(1_000_000, 1_000_000))  # nothing is done before a test says so
    return Worker(temporal, database, kie, tmp_path)


# ── the receipt ──────────────────────────────────────────────────────────


async def test_the_receipt_survives_whatever_postgresql_answers(worker: Worker, kie: KieSimulator) -> None:
    """The order's task is in the receipt at once, and in the ledger with the next look or the next attempt."""
    for number, sqlstate in enumerate(TROUBLES, start=1):
        await worker.fail_once("new.state = 'accepted'", sqlstate)
        job = await worker.submit(number)
        assert (await worker.row(number))["state"] == "sent", sqlstate
        if number % 2:  # the attempt ends, and the video looks
            with pytest.raises(StillRendering):
                await worker.look(job)
        else:  # the worker dies before the attempt has ended: its last heartbeat is left
            again = await worker.submit(number, details=worker.beats[-1])
            assert again == job
        assert (await worker.row(number))["task_id"] == job.task_id, sqlstate
        assert (await worker.row(number))["state"] == "accepted", sqlstate
    assert kie.ledger.accepted == len(TROUBLES)


async def test_what_an_attempt_could_not_write_the_next_one_writes(worker: Worker, kie: KieSimulator) -> None:
    """An order that got lost keeps its reason and its task; one that was refused for now is sent again."""
    for number, sqlstate in enumerate(TROUBLES, start=1):
        kie.script("createTask", ["accept_then_reset"], match=f"corridor {number:02d}")
        await worker.fail_once("new.state = 'unknown'", sqlstate)
        with pytest.raises(DatabaseUnavailable):
            await worker.submit(number)
        assert (await worker.row(number))["state"] == "sent"
        with pytest.raises(SubmissionUnknown):
            await worker.submit(number, details=worker.beats[-1])
        row = await worker.row(number)
        assert row["state"] == "unknown"
        assert "the worker stopped" not in row["reason"], "it is the provider's own end that is told"
    number = 50
    kie.script("createTask", [{"http": 429}], match=f"corridor {number:02d}")
    await worker.fail_once("new.state = 'intended'", "53100")
    with pytest.raises(DatabaseUnavailable):
        await worker.submit(number)
    await worker.submit(number, details=worker.beats[-1])
    assert (await worker.row(number))["state"] == "accepted"


async def test_a_task_that_an_unclear_answer_names_is_kept(worker: Worker, kie: KieSimulator) -> None:
    """The answer was cut off behind the task's id."""
    kie.script("createTask", [{"http": 500, "after": True, "text": '{"code": 500, "data": {"taskId": "task-77"}}'}])
    with pytest.raises(SubmissionUnknown):
        await worker.submit()
    row = await worker.row()
    assert (row["state"], row["task_id"]) == ("unknown", "task-77")
    assert "task-77" in row["reason"]


async def test_the_balance_never_fails_or_hides_anything(worker: Worker, kie: KieSimulator) -> None:
    """It is evidence only, in whatever way it is odd."""
    odd = ['{"code": 200, "data": "NaN"}', '{"code": 200, "data": 1e40}', '{"code": 200, "data": [[]]}', "<html>", "{"]
    for number, text in enumerate(odd, start=1):
        kie.script("credit", [{"http": 200, "text": text}] * 2)
        if number % 2:
            kie.script("createTask", ["accept_then_reset"], match=f"corridor {number:02d}")
            with pytest.raises(SubmissionUnknown):
                await worker.submit(number)
            assert "KIE.ai" in (await worker.row(number))["reason"]
        else:
            await worker.submit(number)
            assert (await worker.row(number))["state"] == "accepted"


# ── slow workers ─────────────────────────────────────────────────────────


async def test_the_receipt_of_a_slow_worker_counts_and_its_video_is_told(
    worker: Worker, kie: KieSimulator, temporal: Client
) -> None:
    """Its silence was taken for death, and its order for lost, while the provider was accepting it."""
    video = await temporal.start_workflow("VideoWorkflow", id="video/poke1/vid_1", task_queue="served by none")
    kie.script("createTask", [{"slow_headers": 1.0}])
    sending = asyncio.create_task(worker.submit())
    await eventually(worker.row, lambda row: row.get("state") == "sent")
    with pytest.raises(SubmissionUnknown):
        await worker.submit()
    assert (await worker.row())["state"] == "unknown"
    job = await sending
    row = await worker.row()
    assert (row["state"], row["task_id"]) == ("accepted", job.task_id)
    history = await video.fetch_history()
    told = [event.workflow_execution_signaled_event_attributes.signal_name for event in history.events]
    assert "order_decided" in told
    assert kie.ledger.accepted == 1


async def test_no_request_leaves_later_than_its_claim_holds(worker: Worker, kie: KieSimulator) -> None:
    """The worker stalls between the claim and the request: the order stays here, and may be sent again."""
    await worker.trouble("new.state = 'sent'", "perform pg_sleep(0.4);")
    slow = dataclasses.replace(PACE, claim_holds=timedelta(seconds=0.3))
    with pytest.raises(BeingOrdered):
        await worker.submit(pace=slow)
    assert kie.ledger.accepted == 0
    assert (await worker.row())["state"] == "intended"
    await worker.submit()
    assert kie.ledger.accepted == 1


async def test_an_order_called_unknown_that_was_not_sent_after_all_is_put_back_and_its_video_told(
    worker: Worker, kie: KieSimulator, temporal: Client
) -> None:
    """The claim takes so long that another attempt begins, and gives the order up as soon as it can see the claim.

    PostgreSQL lets either go first. Where the order is put back before the other attempt sees the claim, that one
    rightly sends it: then the two meet again at another order.
    """
    video = await temporal.start_workflow("VideoWorkflow", id="video/poke1/vid_1", task_queue="served by none")
    await worker.trouble("new.state = 'sent'", "perform pg_advisory_xact_lock(1);")
    slow = dataclasses.replace(PACE, claim_holds=timedelta(0))
    for number in range(1, 100):
        async with worker.database.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock(1)")
            sending = asyncio.create_task(worker.submit(number, pace=slow))
            await eventually(worker.blocked, lambda count: count == 1)
            giving_up = asyncio.create_task(worker.submit(number))
            await eventually(worker.blocked, lambda count: count == 2)
        given_up, put_back = await asyncio.gather(giving_up, sending, return_exceptions=True)
        assert isinstance(put_back, BeingOrdered)
        if isinstance(given_up, SubmissionUnknown):
            break
        assert isinstance(given_up, ClipJob)
    assert (await worker.row(number))["state"] == "intended"
    assert kie.ledger.accepted == number - 1
    history = await video.fetch_history()
    assert "order_decided" in [
        event.workflow_execution_signaled_event_attributes.signal_name for event in history.events
    ]


async def test_an_order_on_its_way_is_seen_through_however_often_it_is_cancelled(
    worker: Worker, kie: KieSimulator
) -> None:
    kie.script("createTask", [{"slow_headers": 0.7}])
    sending = asyncio.create_task(worker.submit())
    await eventually(worker.row, lambda row: row.get("state") == "sent")
    for _ in range(4):
        sending.cancel()
        await asyncio.sleep(0.05)
    job = await sending
    assert (await worker.row())["task_id"] == job.task_id
    assert kie.ledger.accepted == 1


# ── clocks ───────────────────────────────────────────────────────────────


async def test_a_clock_that_is_off_neither_settles_an_order_nor_hurries_a_look(
    worker: Worker, kie: KieSimulator
) -> None:
    """Two minutes or a day ahead or behind; the provider does not show the task yet."""
    kie.configure(grace=1_000_000)
    job = await worker.submit()
    for ahead in (120, -120, 86_400, -86_400):
        with pytest.raises(StillRendering) as again:
            await worker.look(job, ahead=ahead, waited=150)
        pause = again.value.retry_after
        assert pause is not None
        assert timedelta(seconds=14) < pause <= timedelta(seconds=20), ahead
        assert (await worker.row())["state"] == "accepted", ahead


# ── looks ────────────────────────────────────────────────────────────────


async def test_nothing_odd_in_a_look_fails_a_paid_order(worker: Worker, kie: KieSimulator) -> None:
    job = await worker.submit()
    odd: list[Any] = [{"http": status} for status in (400, 404, 405, 409, 413, 422, 429, 500, 502)]
    odd += [{"body_code": code} for code in (400, 402, 403, 404, 422, 455, 500, 501)]
    odd += [
        {"http": 200, "text": text} for text in ("", "[]", "null", '{"code":200,"data":null}', "<html>", "{" * 5_000)
    ]
    odd += ["reset_after", "truncated_body"]
    for outcome in odd:
        kie.script("recordInfo", [outcome])
        with pytest.raises(StillRendering):
            await worker.look(job, waited=30)
        assert (await worker.row())["state"] == "accepted", outcome


def test_a_bill_is_a_finite_amount_of_up_to_ten_list_prices_or_not_said() -> None:
    price = Decimal("0.21")
    bills = {
        "42": ("0.21", "42"),
        "42.00000000000001": ("0.21", "42"),
        "0": ("0", "0"),
        "160": ("0.8", "160"),
        "420": ("2.1", "420"),
        "421": ("0.21", None),
        "-2000": ("0.21", None),
        "1e30": ("0.21", None),
        "NaN": ("0.21", None),
        "sNaN": ("0.21", None),
        "Infinity": ("0.21", None),
    }
    for text, (usd, credits) in bills.items():
        bill = bill_of(KieTask("success", credits=Decimal(text)), price_usd=price)
        assert (bill.usd, bill.credits) == (Decimal(usd), None if credits is None else Decimal(credits)), text
        assert bool(bill.note) == (credits is None), text
    assert bill_of(KieTask("fail", credits=Decimal("NaN")), price_usd=price).usd == 0
    assert bill_of(KieTask("fail", credits=Decimal(42)), price_usd=price).usd == price


# ── the sweep of the limiter ─────────────────────────────────────────────


def held(number: int) -> HeldSlot:
    """A place whose holder looks away."""
    ticket = Ticket(
        name=f"t{number}", workflow_id="w", first_run_id="r", channel="poke1", video_id="vid_1", number=number
    )
    now = datetime.now(UTC)
    return HeldSlot(ticket=ticket, since=now, until=now, abandoned=True)


async def test_each_holder_is_asked_after_on_its_own_and_an_odd_answer_keeps_only_its_own_place(
    worker: Worker, kie: KieSimulator, temporal: Client
) -> None:
    """Done: free. Running, absent, odd: kept. Older than the longest clip: free, whatever the provider says."""
    jobs = {number: await worker.submit(number) for number in range(1, 6)}
    await worker.ledger.lose((await ordered(worker, 6)), "reset")
    kie.script("recordInfo", [{"http": 404}], match=jobs[2].task_id)
    address = '{"code":200,"data":{"state":"success","param":"{\\\\"callBackUrl\\\\":\\\\"http://[\\\\"}"}}'
    kie.script("recordInfo", [{"http": 200, "text": address}], match=jobs[3].task_id)
    async with worker.database.transaction() as connection:
        await connection.execute("update submissions set sent_at = now() - interval '16 minutes' where number = 4")
    await worker.ledger.settle(
        jobs[5].submission_id, task_id=jobs[5].task_id, verdict="delivered", billed_usd=Decimal(0), billed_credits=None
    )
    async with open_kie(key="sim-key", api_url=kie.api_url, upload_url=kie.upload_url) as client:
        gate = GateActivities(
            temporal, worker.ledger, client, longest_clip=timedelta(minutes=15), task_queue="served by none"
        )
        sweep = Sweep(held=[held(number) for number in range(1, 8)])
        swept = await worker.environment().run(gate.find_gone_holders, sweep)
    gone = set(swept.gone)
    assert {"t4", "t5", "t7"} <= gone
    assert not gone & {"t1", "t2", "t6"}


async def ordered(worker: Worker, number: int) -> str:
    """An order that is on its way."""
    await worker.trouble("false", "")
    worker.kie.script("createTask", ["accept_then_reset"], match=f"corridor {number:02d}")
    with pytest.raises(SubmissionUnknown):
        await worker.submit(number)
    async with worker.database.transaction() as connection:
        return str(await connection.fetchval("select id from submissions where number = $1", number))
