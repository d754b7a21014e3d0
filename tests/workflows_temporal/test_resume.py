"""Failures are values; `resume` makes only what is missing."""

import asyncio
import subprocess
from decimal import Decimal

from local.temporal_server import temporal_binary
from simulators.kie import KieSimulator
from studio.contracts.video import VideoStatus
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.video import VideoWorkflow


async def test_a_resume_from_the_command_line_redoes_only_what_is_missing(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Six clips, three of them fail: three are skipped, three are made, nothing is paid twice.

    One that comes while clips run changes nothing.
    """
    for number in range(4, 7):
        kie.order(match=f"corridor {number:02d}", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=6))
    await handle.signal(VideoWorkflow.resume)
    progress = await studio.waiting(handle)
    assert progress.failed == [4, 5, 6]
    assert progress.message.startswith("3 of 6 clips are missing.")
    assert kie.ledger.accepted == 6
    place = ["--address", studio.settings.temporal_address, "--namespace", studio.settings.temporal_namespace]
    command = [str(temporal_binary()), "workflow", "signal", "-w", handle.id, "--name", "resume", *place]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    result = await handle.result()
    assert result.summary == "Skipped 3 existing clips, generated 3 new clips"
    assert kie.ledger.accepted == 9
    assert kie.ledger.billed == 6
    assert result.total_cost_usd == Decimal("1.26")


async def test_a_clip_that_takes_too_long_is_watched_again_and_not_bought_again(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Its place at the gate stays taken until the provider is done."""
    kie.order(match="corridor 02", duration=900, count=1)
    handle = await studio.start(await studio.request(clips=2, clip_deadline_seconds=1))
    progress = await studio.waiting(handle)
    assert progress.clips[1].note == "Clip 2/2 exceeded 1 seconds"
    assert [held.abandoned for held in (await studio.gate_state()).held] == [True]
    kie.advance(900)
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert kie.ledger.accepted == 2
    assert result.summary == "Skipped 1 existing clips, generated 1 new clips"


async def test_a_still_that_disappears_from_the_host_is_hosted_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 01", fail="image", count=1)
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    uploads = kie.ledger.counters()["uploads"]
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.counters()["uploads"] == uploads + 1


async def test_an_expired_link_is_renewed_a_broken_download_tried_again_and_nothing_bought_again(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Neither meanwhile, nor when the video is started again."""
    kie.script("files", [{"http": 404}, "truncated_body", "reset_before", {"http": 503}])
    request = await studio.request(clips=1)
    for _ in range(2):
        await studio.make(request)
        assert kie.ledger.accepted == 1


async def test_a_database_outage_delays_a_video_and_loses_nothing(studio: StudioAtWork, kie: KieSimulator) -> None:
    """Sessions are cut again and again while a video is made; every row is there once in the end."""
    handle = await studio.start(await studio.request(clips=4))
    for _ in range(4):
        async with studio.database.transaction() as connection:
            await connection.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()"""
            )
        seen = kie.ledger.accepted
        await eventually(lambda: _accepted(kie), lambda now, seen=seen: now > seen or now == 4)  # type: ignore[misc]
    result = await handle.result()
    assert kie.ledger.accepted == 4
    assert result.total_cost_usd == Decimal("0.84")
    assert (await studio.rows("select count(*) as n from clips where status = 'done'"))[0]["n"] == 4
    assert (await studio.waiting(handle, VideoStatus.VIDEO_READY)).done == 4


async def _accepted(kie: KieSimulator) -> int:
    return kie.ledger.accepted
