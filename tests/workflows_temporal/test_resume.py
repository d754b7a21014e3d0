"""Failures are values; `resume` makes only what is missing."""

import asyncio
import subprocess
from decimal import Decimal

from local.temporal_server import temporal_binary
from simulators.kie import KieSimulator
from studio.contracts.film import VideoStatus
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.video import VideoWorkflow


async def test_a_resume_from_the_command_line_redoes_only_what_is_missing(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Eighteen clips, eight of them fail: ten are skipped, eight are made, nothing is paid twice."""
    for number in range(11, 19):
        kie.order(match=f"corridor {number}", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=18))
    progress = await studio.waiting(handle)
    assert progress.failed == list(range(11, 19))
    assert progress.message.startswith("8 of 18 clips are missing.")
    place = ["--address", studio.settings.temporal_address, "--namespace", studio.settings.temporal_namespace]
    command = [str(temporal_binary()), "workflow", "signal", "-w", handle.id, "--name", "resume", *place]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    result = await handle.result()
    assert result.summary == "Skipped 10 existing clips, generated 8 new clips"
    assert kie.ledger.accepted == 26
    assert kie.ledger.billed == 18
    assert result.total_cost_usd == Decimal("3.78")


async def test_a_resume_while_clips_run_changes_nothing(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 02", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=2))
    await handle.signal(VideoWorkflow.resume)
    await studio.waiting(handle)
    assert kie.ledger.accepted == 2
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.accepted == 3


async def test_a_clip_that_takes_too_long_is_watched_again_and_not_bought_again(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.order(match="corridor 02", duration=900, count=1)
    handle = await studio.start(await studio.request(clips=2, clip_deadline_seconds=2))
    progress = await studio.waiting(handle)
    assert progress.clips[1].note == "Clip 2/2 exceeded 2 seconds"
    kie.advance(900)
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert kie.ledger.accepted == 2
    assert result.summary == "Skipped 1 existing clips, generated 1 new clips"


async def test_the_place_of_a_late_clip_stays_taken_until_the_provider_is_done(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.order(match="corridor 01", stuck=True, count=1)
    handle = await studio.start(await studio.request(clips=1, clip_deadline_seconds=1))
    await studio.waiting(handle)
    state = await studio.gate_state()
    assert [held.abandoned for held in state.held] == [True]


async def test_a_film_started_again_buys_nothing_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=3)
    await studio.make(request)
    await studio.make(request)
    assert kie.ledger.accepted == 3


async def test_a_still_that_disappears_from_the_host_is_hosted_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 01", fail="image", count=1)
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    uploads = kie.ledger.counters()["uploads"]
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.counters()["uploads"] == uploads + 1


async def test_an_expired_link_is_renewed(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("files", [{"http": 404}])
    await studio.make(await studio.request(clips=1))
    assert kie.ledger.accepted == 1


async def test_a_download_that_breaks_off_is_tried_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("files", ["truncated_body", "reset_before", {"http": 503}])
    await studio.make(await studio.request(clips=1))
    assert kie.ledger.accepted == 1


async def test_a_database_outage_delays_a_film_and_loses_nothing(studio: StudioAtWork, kie: KieSimulator) -> None:
    """Sessions are cut again and again while a film is made; every row is there once in the end."""
    handle = await studio.start(await studio.request(clips=6))
    for _ in range(6):
        async with studio.database.transaction() as connection:
            await connection.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()"""
            )
        seen = kie.ledger.accepted
        await eventually(lambda: _accepted(kie), lambda now, seen=seen: now > seen or now == 6)  # type: ignore[misc]
    result = await handle.result()
    assert kie.ledger.accepted == 6
    assert result.total_cost_usd == Decimal("1.26")
    assert (await studio.rows("select count(*) as n from clips where status = 'done'"))[0]["n"] == 6
    assert (await studio.waiting(handle, VideoStatus.VIDEO_READY)).done == 6


async def _accepted(kie: KieSimulator) -> int:
    return kie.ledger.accepted
