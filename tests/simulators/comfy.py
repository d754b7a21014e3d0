"""The client side of the ComfyUI tests: graphs, a small caller, and ears on the WebSocket."""

import asyncio
import copy
import json
import time
import uuid
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect

from simulators.comfyui import ComfySimulator

Graph = dict[str, Any]
ENDED = ("completed", "failed", "cancelled")


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def trivial(seed: int = 1, prefix: str = "jobs/picture", size: int = 64) -> Graph:
    """A picture without any model; no node ticks."""
    return {
        "1": node("EmptyImage", width=size, height=size, batch_size=1, color=0),
        "2": node("ImageAddNoise", image=["1", 0], seed=seed, strength=0.5),
        "9": node("SaveImage", images=["2", 0], filename_prefix=prefix),
    }


def sampled(seed: int = 1, prefix: str = "jobs/still", steps: int = 4, size: int = 64) -> Graph:
    """A picture by a sampler."""
    return {
        "28": node("UNETLoader", unet_name="z_image_turbo_bf16.safetensors", weight_dtype="default"),
        "30": node("CLIPLoader", clip_name="qwen_3_4b.safetensors", type="lumina2", device="default"),
        "29": node("VAELoader", vae_name="ae.safetensors"),
        "27": node("CLIPTextEncode", clip=["30", 0], text="a lighthouse at dawn"),
        "33": node("ConditioningZeroOut", conditioning=["27", 0]),
        "13": node("EmptySD3LatentImage", width=size, height=size, batch_size=1),
        "3": node(
            "KSampler", model=["28", 0], positive=["27", 0], negative=["33", 0], latent_image=["13", 0], seed=seed,
            steps=steps, cfg=1.0, sampler_name="res_multistep", scheduler="simple", denoise=1.0,
        ),
        "8": node("VAEDecode", samples=["3", 0], vae=["29", 0]),
        "9": node("SaveImage", images=["8", 0], filename_prefix=prefix),
    }  # fmt: skip


def two_pass(seed: int = 1, prefix: str = "jobs/clip", length: int = 17, size: int = 64) -> Graph:
    """A clip from a still: two samplers, 16 frames per second."""
    usual = {"positive": ["98", 0], "negative": ["98", 1], "steps": 8, "cfg": 3.5, "sampler_name": "euler"}
    high = {**usual, "model": ["95", 0], "latent_image": ["98", 2], "add_noise": "enable", "noise_seed": seed}
    low = {**usual, "model": ["96", 0], "latent_image": ["86", 0], "add_noise": "disable", "noise_seed": 0}
    names = "wan2.2_i2v_{}_noise_14B_fp8_scaled.safetensors"
    return {
        "97": node("LoadImage", image="example.png"),
        "84": node("CLIPLoader", clip_name="umt5_xxl_fp8_e4m3fn_scaled.safetensors", type="wan", device="default"),
        "90": node("VAELoader", vae_name="wan_2.1_vae.safetensors"),
        "95": node("UNETLoader", unet_name=names.format("high"), weight_dtype="default"),
        "96": node("UNETLoader", unet_name=names.format("low"), weight_dtype="default"),
        "93": node("CLIPTextEncode", clip=["84", 0], text="the camera slowly moves closer"),
        "89": node("CLIPTextEncode", clip=["84", 0], text="blurry"),
        "98": node(
            "WanImageToVideo", positive=["93", 0], negative=["89", 0], vae=["90", 0], width=size, height=size,
            length=length, batch_size=1, start_image=["97", 0],
        ),
        "86": node(
            "KSamplerAdvanced", **high, scheduler="simple", start_at_step=0, end_at_step=4,
            return_with_leftover_noise="enable",
        ),
        "85": node(
            "KSamplerAdvanced", **low, scheduler="simple", start_at_step=4, end_at_step=10000,
            return_with_leftover_noise="disable",
        ),
        "87": node("VAEDecode", samples=["85", 0], vae=["90", 0]),
        "94": node("CreateVideo", images=["87", 0], fps=16.0),
        "108": node("SaveVideo", video=["94", 0], filename_prefix=prefix, format="mp4", codec="h264"),
    }  # fmt: skip


def changed(graph: Graph, node_id: str, **inputs: Any) -> Graph:
    """A copy with other inputs at one node; `None` takes an input away."""
    copied = copy.deepcopy(graph)
    given = {**copied[node_id]["inputs"], **inputs}
    copied[node_id]["inputs"] = {name: value for name, value in given.items() if value is not None}
    return copied


def new_id() -> str:
    return str(uuid.uuid4())


class ComfyCaller:
    """Knows the routes, and waits where a client would poll."""

    def __init__(self, comfy: ComfySimulator | str) -> None:
        self.url = comfy if isinstance(comfy, str) else comfy.api_url
        self.http = httpx.AsyncClient(base_url=self.url, timeout=60)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def post(self, graph: Any, **more: Any) -> httpx.Response:
        return await self.http.post("/prompt", json={"prompt": graph, "client_id": "tester", **more})

    async def submit(self, graph: Graph, **more: Any) -> str:
        """Submit one that has to be accepted."""
        response = await self.post(graph, **more)
        assert response.status_code == 200, response.text
        return str(response.json()["prompt_id"])

    async def past(self, prompt_id: str) -> dict[str, Any]:
        """What history says; empty: nothing."""
        told: dict[str, Any] = (await self.http.get(f"/history/{prompt_id}")).json()
        return dict(told.get(prompt_id, {}))

    async def ended(self, prompt_id: str, seconds: float = 240.0) -> dict[str, Any]:
        """Look until history knows it."""
        deadline = time.monotonic() + seconds
        while not (past := await self.past(prompt_id)):
            assert time.monotonic() < deadline, "waited in vain"
            await asyncio.sleep(0.01)
        return past

    async def made(self, graph: Graph, **more: Any) -> dict[str, Any]:
        """Submit, wait, and return the outputs of a success."""
        past = await self.ended(await self.submit(graph, **more))
        assert past["status"]["status_str"] == "success", past["status"]
        return dict(past["outputs"])

    async def job(self, prompt_id: str) -> httpx.Response:
        return await self.http.get(f"/api/jobs/{prompt_id}")

    async def queue(self) -> tuple[list[str], list[str]]:
        """Ids that run, ids that wait (in the order of their numbers)."""
        told = (await self.http.get("/queue")).json()
        waiting = sorted(told["queue_pending"], key=lambda item: item[0])
        return [item[1] for item in told["queue_running"]], [item[1] for item in waiting]

    async def view(self, file: dict[str, str], **headers: str) -> httpx.Response:
        return await self.http.get("/view", params={**file}, headers=headers)

    async def upload(self, data: bytes, name: str = "still.png", **form: str) -> httpx.Response:
        return await self.http.post("/upload/image", files={"image": (name, data, "image/png")}, data=form)


class Ears:
    """One WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self.binary: list[bytes] = []

    @classmethod
    async def open(cls, url: str, client_id: str = "tester", path: str = "/ws") -> Self:
        return cls(await connect(f"{url.replace('http', 'ws', 1)}{path}?clientId={client_id}", ping_interval=None))

    async def listen(self, last: str = "executing None", seconds: float = 240.0) -> list[str]:
        """Everything up to and with the message that is told so."""
        start = len(self.heard)
        async with asyncio.timeout(seconds):
            while len(self.heard) == start or told(self.heard[-1]) != last:
                message = await self.socket.recv()
                if isinstance(message, bytes):
                    self.binary.append(message)
                else:
                    self.heard.append(json.loads(message))
        return [told(message) for message in self.heard[start:]]

    async def close(self) -> None:
        await self.socket.close()


def told(message: dict[str, Any]) -> str:
    """A message in one line."""
    kind, data = message["type"], message["data"]
    match kind:
        case "status":
            return f"status {data['status']['exec_info']['queue_remaining']}"
        case "progress_state":
            return " ".join([kind, *(f"{node}={entry['state']}" for node, entry in data["nodes"].items())])
        case "execution_cached":
            return " ".join([kind, *data["nodes"]])
        case "executing" | "executed" | "progress":
            return f"{kind} {data['node']}"
    return str(kind)


def without_repeats(lines: list[str]) -> list[str]:
    """A node's ticks taken together: how many there are depends on the machine."""
    kept: list[str] = []
    for line in lines:
        if line not in kept[-2:]:
            kept.append(line)
    return kept
