"""Films whose clips a ComfyUI server renders."""

from typing import Any

from simulators.comfyui import ComfySimulator
from studio.contracts.film import Provider
from tests.studio_at_work import StudioAtWork

FILM: dict[str, Any] = {"provider": Provider.COMFYUI, "width": 256, "height": 256}


async def test_a_film_is_rendered_by_the_graph_one_clip_at_a_time(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    result = await gpu_studio.make(await gpu_studio.request(clips=3, **FILM))
    assert [clip.file.frames for clip in result.clips if clip.file] == [81, 81, 81]
    assert result.total_cost_usd == 0
    assert comfy.counters()["accepted"] == 3
