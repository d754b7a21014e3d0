"""Who takes renders, and what becomes of them: what people see who wait."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from commands.gpu import NOBODY, GpuStanding, gpu_standing
from simulators.comfyui import ComfySimulator
from studio.contracts.film import Provider
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.addresses import TaskQueue

FILM: dict[str, Any] = {"provider": Provider.COMFYUI, "width": 256, "height": 256}
NO_TIME = timedelta(0)
"""As if the last poll were long ago."""


async def standing(studio: StudioAtWork, handle: Handle, waiting: int, **options: Any) -> GpuStanding:
    """How the GPUs stand to a film, once so many of its renders wait."""

    def wait(seen: GpuStanding) -> bool:
        return sum(one.state is None for one in seen.renders) == waiting

    return await eventually(lambda: gpu_standing(studio.temporal, handle, **options), wait)


async def rendering(comfy: ComfySimulator) -> None:
    async def states() -> list[str]:
        return [entry.state for entry in comfy.ledger.prompts]

    await eventually(states, lambda seen: "running" in seen)


async def called_off(*handles: Handle) -> None:
    """So that the studio of the test can close."""
    for handle in handles:
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()


async def test_renders_that_nobody_takes_are_said_to_wait_in_vain(studio: StudioAtWork) -> None:
    """This studio has no GPU worker."""
    handle = await studio.start(await studio.request(clips=2, **FILM))
    assert (await standing(studio, handle, 2)).lines == ["2 renders wait for a GPU", NOBODY]


async def test_a_render_says_where_it_is_and_how_far(gpu_studio: StudioAtWork, comfy: ComfySimulator) -> None:
    comfy.order(seconds=30_000)
    handle = await gpu_studio.start(await gpu_studio.request(clips=2, **FILM))
    await rendering(comfy)

    def under_way(seen: GpuStanding) -> bool:
        return any(one.state is not None and one.state.stage == "rendering" for one in seen.renders)

    seen = await eventually(lambda: gpu_standing(gpu_studio.temporal, handle, longest_poll=NO_TIME), under_way)
    assert seen.lines[0].startswith(("clip 01: rendering  ", "clip 02: rendering  "))
    assert f"on {comfy.urls['api_url']}" in seen.lines[0]
    assert seen.lines[1:] == ["1 render waits for a GPU"]
    await called_off(handle)


async def test_a_worker_that_renders_for_another_film_is_not_away(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=30_000)
    first = await gpu_studio.start(await gpu_studio.request("first", clips=1, **FILM))
    await rendering(comfy)
    second = await gpu_studio.start(await gpu_studio.request("second", clips=1, **FILM))
    assert (await standing(gpu_studio, second, 1, longest_poll=NO_TIME)).away == ""
    await called_off(second, first)


async def test_a_worker_that_has_gone_is_missed(gpu_studio: StudioAtWork) -> None:
    await gpu_studio.close()
    await gpu_studio.open(TaskQueue.STUDIO, TaskQueue.MEDIA)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **FILM))
    assert (await standing(gpu_studio, handle, 1, longest_poll=NO_TIME)).away == NOBODY
