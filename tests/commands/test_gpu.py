"""Who takes renders, and what becomes of them: what people see who wait."""

import pytest
from temporalio.client import WorkflowFailureError

from commands.gpu import NOBODY, GpuStanding, gpu_standing
from simulators.comfyui import ComfySimulator
from studio.store.gpu_servers import GpuServerStore
from tests.commands.conftest import session_of
from tests.renders import VIDEO
from tests.studio_at_work import Handle, StudioAtWork, eventually


async def standing(studio: StudioAtWork, handle: Handle, waiting: int) -> GpuStanding:
    """How the GPUs stand to a video, once so many of its renders wait."""

    def wait(seen: GpuStanding) -> bool:
        return sum(one.state is None for one in seen.renders) == waiting

    return await eventually(lambda: gpu_standing(session_of(studio), handle), wait)


async def test_renders_that_nobody_takes_are_said_to_wait_in_vain(studio: StudioAtWork) -> None:
    """This studio has no GPU worker."""
    handle = await studio.start(await studio.request(clips=2, **VIDEO))
    assert (await standing(studio, handle, 2)).lines == ["2 renders wait for a GPU", NOBODY]


async def test_servers_that_are_away_are_named_with_the_reason(studio: StudioAtWork) -> None:
    await GpuServerStore(studio.database).tell("http://gpu-1:8188", "host/7", busy=False, away="ComfyUI answered 502")
    handle = await studio.start(await studio.request(clips=1, **VIDEO))
    away = (await standing(studio, handle, 1)).away
    assert away == "Every ComfyUI server is away: http://gpu-1:8188: ComfyUI answered 502"


async def test_a_render_says_where_it_is_and_how_far(gpu_studio: StudioAtWork, comfy: ComfySimulator) -> None:
    comfy.order(seconds=30_000)
    handle = await gpu_studio.start(await gpu_studio.request(clips=2, **VIDEO))

    def under_way(seen: GpuStanding) -> bool:
        return any(one.state is not None and one.state.stage == "rendering" for one in seen.renders)

    seen = await eventually(lambda: gpu_standing(session_of(gpu_studio), handle), under_way)
    running, waiting = seen.lines
    assert ": rendering  " in running and f"on {comfy.urls['api_url']}" in running
    assert waiting == "1 render waits for a GPU"
    await handle.cancel()  # so that the studio can close
    with pytest.raises(WorkflowFailureError):
        await handle.result()
