"""What Longtake adds to a clip that a GPU server makes in 0.2 s, and to a prompt that costs it next to nothing.

Extra seconds per clip: from the moment a video's clips are handed to the queue `gpu` to the moment the last of them is
verified and in the store, divided by their number, minus the GPU's 0.2 s. Idle seconds between: how long the server
stood still between one clip and the next, by its own ledger, though more of them waited; the median.

Over bare: the trivial graph (a noisy picture, no model), one after another. Bare is POST /prompt and a look at the
job every 5 ms until it has ended. Ours is the whole activity `render_graph` in this process: graph and look read,
checked against the node schema, looked up, sent, waited for, fetched, decoded, stored and told. The difference of
the medians; Temporal's part is in the extra seconds, not in this."""

import argparse
import hashlib
import json
import statistics
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from temporalio.api.history.v1 import HistoryEvent
from temporalio.testing import ActivityEnvironment

from activities._comfy_rules import RenderRules
from activities._comfy_servers import ComfyServers
from activities._comfy_slot import GpuSlot
from activities.comfy import ComfyActivities, RenderStores
from benchmarks.gpus import Gpu, gpu_video
from benchmarks.ground import Ground, ground, say, time_of, until
from comfy_workflows.own import read_own_graph
from studio.contracts.clip import ClipId
from studio.contracts.render import GraphParameters
from studio.contracts.rendering import GraphToRender
from studio.logs import set_up_logs
from studio.objects import keys
from studio.providers.comfyui import open_comfyui
from studio.store.events import EventStore
from studio.store.gpu_servers import GpuServerStore
from studio.store.renders import RenderStore
from studio.store.takes import TakeStore

GPU_SECONDS = 0.2
WORKERS = {"studio": "studio", "media": "media"}
LOOK_EVERY = 0.005
TRIVIAL = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {
        "class_type": "ImageAddNoise",
        "inputs": {"image": ["1", 0], "seed": 0, "strength": 0.5},
        "_meta": {"title": "in:seed"},
    },
    "3": {
        "class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "trivial"},
        "_meta": {"title": "out:image"},
    },
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument(
        "--videos", "--films", type=int, default=3, help="so many, one after another; medians over them"
    )
    parser.add_argument("--size", default="832x480", help="of the clips, which are decoded to be verified")
    parser.add_argument("--prompts", type=int, default=50, help="trivial ones, each way")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    width, height = map(int, options.size.split("x"))
    size = (width, height)
    videos: list[tuple[float, float]] = []
    comfyui = {"prompt_seconds": GPU_SECONDS}
    async with ground(kie={}, speed=1, workers=WORKERS, settings={}, gpus=1, comfyui=comfyui) as here:
        gpu = Gpu(here, "comfyui-1")
        await _video(here, gpu, "warm-up", 3, size)
        for number in range(1, options.videos + 1):
            videos.append(await _video(here, gpu, f"video-{number}", options.clips, size))
            say(f"video {number}: {videos[-1][0]:.3f} s extra per clip, idle {videos[-1][1]:.3f} s between")
        await gpu.tell("config", prompt_seconds=None)
        bare, ours = await _trivial(here, gpu, options.prompts)
    return {
        "extra_seconds_per_clip": round(statistics.median(extra for extra, _ in videos), 3),
        "idle_seconds_between": round(statistics.median(idle for _, idle in videos), 3),
        "overhead_over_bare_ms": round((ours - bare) * 1000, 1),
        "bare_ms": round(bare * 1000, 1),
        "clips": options.clips,
        "films": options.videos,
        "size": options.size,
    }


async def _video(here: Ground, gpu: Gpu, name: str, clips: int, size: tuple[int, int]) -> tuple[float, float]:
    """Extra seconds per clip, idle seconds between two."""
    before = len(await gpu.prompts())
    handle = await here.start(await gpu_video(here, name, clips=clips, size=size))
    await handle.result()
    assert len(await gpu.prompts()) == before + clips
    first, last = _span((await here.histories(handle))[0])
    gaps = (await gpu.gaps())[-(clips - 1) :]
    return (last - first).total_seconds() / clips - GPU_SECONDS, statistics.median(gaps)


def _span(events: list[HistoryEvent]) -> tuple[datetime, datetime]:
    """From the first render's scheduling to the last one's end."""
    renders = {
        event.event_id: time_of(event)
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "render_clip"
    }
    ends = [
        time_of(event)
        for event in events
        if event.activity_task_completed_event_attributes.scheduled_event_id in renders
    ]
    return min(renders.values()), max(ends)


async def _trivial(here: Ground, gpu: Gpu, prompts: int) -> tuple[float, float]:
    """Median seconds of a trivial prompt, bare and with everything we do."""
    set_up_logs(level="warning")
    bare, ours = [], []
    async with httpx.AsyncClient(base_url=gpu.url) as http, open_comfyui(url=gpu.url) as comfy:
        store, long = GpuServerStore(here.database), timedelta(minutes=1)
        servers = ComfyServers(comfy, GpuSlot(comfy), store, lambda url: open_comfyui(url=url), url=gpu.url)
        rules = RenderRules(here.folder / "trivial", long, long, long, previews=False, prompts_in_files=True)
        database = here.database
        stores = RenderStores(here.objects, EventStore(database), TakeStore(database), RenderStore(database))
        comfy_activities = ComfyActivities(servers, stores, rules)
        order = await _order(here)
        for number in range(prompts + 1):
            bare.append(await _bare(http, number))
            ours.append(await _ours(comfy_activities, order, number))
    return statistics.median(bare[1:]), statistics.median(ours[1:])


async def _bare(http: httpx.AsyncClient, number: int) -> float:
    prompt_id = str(uuid.uuid4())
    graph = TRIVIAL | {"2": TRIVIAL["2"] | {"inputs": {"image": ["1", 0], "seed": 1_000_000 + number, "strength": 0.5}}}
    began = time.perf_counter()
    (await http.post("/prompt", json={"prompt": graph, "prompt_id": prompt_id})).raise_for_status()
    job = f"/api/jobs/{prompt_id}"
    await until(lambda: http.get(job), lambda answer: answer.json()["status"] == "completed", every=LOOK_EVERY)
    return time.perf_counter() - began


async def _ours(comfy_activities: ComfyActivities, order: GraphToRender, number: int) -> float:
    take = hashlib.sha256(f"trivial {number}".encode()).hexdigest()
    parameters = order.parameters.model_copy(update={"seed": number})
    order = order.model_copy(update={"take": take, "parameters": parameters})
    began = time.perf_counter()
    await ActivityEnvironment().run(comfy_activities.render_graph, order)
    return time.perf_counter() - began


async def _order(here: Ground) -> GraphToRender:
    """The trivial graph as somebody's own, in the store."""
    template = read_own_graph(json.dumps(TRIVIAL), name="trivial")
    path = Path(here.folder, "trivial.json")
    path.write_text(template.model_dump_json())  # noqa: ASYNC240
    own = await here.objects.put(path, keys.graph_key("trivial", "0" * 64), "application/json")
    return GraphToRender(
        channel="bench",
        take="0" * 64,
        graph="trivial",
        own=own,
        parameters=GraphParameters(prompt="noise", seed=0),
        clip=ClipId(channel="bench", video_id="trivial", number=1),
    )
