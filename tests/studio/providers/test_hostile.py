"""Whatever a service answers, nothing but our own errors leaves a client, and no text that harms what it meets next."""

import itertools
import json
import random
import struct
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from comfy_workflows.check import check_graph
from comfy_workflows.graph import load_graph
from studio.contracts.render import GraphParameters
from studio.errors import StudioError
from studio.providers._foreign import object_in
from studio.providers.catbox import CatboxClient
from studio.providers.comfyui import ComfyClient
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput
from studio.providers.comfyui_socket import ComfyProgress, Story
from studio.providers.kie import KieClient, KieTask
from studio.providers.notion import NotionClient
from tests.studio.providers.hostile import VALUES, bodies, samples

STATUSES = (200, 200, 200, 200, 201, 301, 400, 402, 404, 422, 429, 500, 503)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"Retry-After": "nan"},
    {"Retry-After": "9" * 400},
    {"Content-Type": "text/html; charset=hex"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"Content-Length": "-1"},
    {"Content-Length": "many"},
)
NODES = Path(__file__).parents[2] / "comfy_workflows"
PROMPT = "b238e962-97d7-465e-8b13-2f42c9beafe3"
GRAPH: dict[str, Any] = {"9": {"class_type": "SaveVideo", "inputs": {"video": ["8", 0]}}}


def harmless(*texts: object) -> None:
    for text in texts:
        if isinstance(text, str):
            text.encode()
            assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0x202A <= ord(c) <= 0x202E for c in text), repr(text)


async def survived(asking: Awaitable[object]) -> object:
    try:
        return await asking
    except StudioError as error:
        harmless(str(error), getattr(error, "task_id", None))
        assert len(str(error)) < 2_000
        return error


def checked(found: object) -> None:
    """A value that left a client can be used by those who get it."""
    if isinstance(found, KieTask):
        harmless(found.failure, found.reference, found.credits_unreadable, str(found.failed()), *found.urls)
        assert found.credits is None or 0 <= found.credits <= 3_200
        assert 0 <= found.seconds < 10**6
    elif isinstance(found, ComfyJob):
        harmless(found.prompt_id, found.client_id, *(text for o in found.outputs for text in (o.path, o.type)))
        for node in ("9", "108", "230"):
            for kind in (None, "image", "video"):
                try:
                    found.output(node, kind)
                except StudioError as error:
                    harmless(str(error))
        harmless(str(found.error()))
    elif isinstance(found, Decimal):
        assert found.is_finite()
    elif isinstance(found, str):
        harmless(found)


def saying(chance: random.Random, body: bytes, first: bytes | None = None) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if first is not None and request.url.path == "/system_stats":
            return httpx.Response(200, content=first)
        return httpx.Response(chance.choice(STATUSES), headers=chance.choice(HEADERS), content=body)

    return answer


MANY = pytest.param(1_000, marks=pytest.mark.slow)


@pytest.mark.parametrize("count", [150, MANY])
async def test_nothing_that_kie_answers_surprises_its_client(count: int) -> None:
    chance = random.Random(9)
    for body in bodies(1, samples("kie"), count):
        transport = httpx.MockTransport(saying(chance, body))
        async with httpx.AsyncClient(base_url="http://kie.example", transport=transport) as http:
            kie = KieClient(http, http, http)
            order = kie.create_task(model="kling/v2-1-pro", prompt="p", image_url="https://x.example/a.png", seconds=5)
            askings: tuple[Awaitable[object], ...] = (
                kie.record_info("t"),
                order,
                kie.credit(),
                kie.download_url("https://x.example/a.mp4"),
                kie.host(b"x", name="a.png", mime="image/png"),
                CatboxClient(http).host(b"x", name="a.png", mime="image/png"),
                NotionClient(http, property_name="Status", kind="status").set_status("page", "done"),
            )
            for asking in askings:
                checked(await survived(asking))


@pytest.mark.parametrize("count", [240, MANY])
async def test_nothing_that_a_comfyui_server_answers_surprises_its_client(count: int, tmp_path: Path) -> None:
    """Each body by another version in turn, the last of which says nothing of itself."""
    chance = random.Random(9)
    versions: Iterable[bytes | None] = itertools.cycle(
        [*(json.dumps({"system": {"comfyui_version": version}}).encode() for version in ("0.33.0", "0.3.64")), None]
    )
    bases = [json.loads(json.dumps(base).replace("PROMPT_ID", PROMPT)) for base in samples("comfyui_odd", "comfyui")]
    small = [base for base in bases if len(json.dumps(base)) < 30_000]
    for body, first in zip(bodies(2, small, count), versions, strict=False):
        transport = httpx.MockTransport(saying(chance, body, first))
        async with httpx.AsyncClient(base_url="http://comfy.example", transport=transport) as http:
            comfy = ComfyClient(http)
            askings: tuple[Awaitable[object], ...] = (
                comfy.look_up(PROMPT),
                comfy.queue(),
                comfy.client_of(PROMPT),
                comfy.system_stats(),
                comfy.object_info(),
                comfy.submit(GRAPH, prompt_id=PROMPT, client_id="c"),
                comfy.upload(b"x", "a.png"),
                comfy.cancel(PROMPT),
                comfy.find_output("longtake/take/1", ".mp4"),
                comfy.fetch(ComfyOutput("a.mp4"), tmp_path / "a.mp4"),
            )
            for asking in askings:
                checked(await survived(asking))


def test_nothing_in_a_servers_list_of_nodes_surprises_who_checks_a_graph_against_it() -> None:
    graph = load_graph("wan22_i2v").bind(GraphParameters(prompt="p", seed=1), images=["a.png"], prefix="a/1").graph
    known = json.loads((NODES / "object_info.json").read_text())
    (custom,) = (base for base in samples("comfyui_odd") if "VHS_VideoCombine" in base)
    base = {kind: known[kind] for kind in {node["class_type"] for node in graph.values()}} | custom
    for body in bodies(5, [base], 100):
        nodes = object_in(body.decode(errors="replace"))
        for complaint in check_graph(graph, nodes):
            assert str(complaint)


def frames() -> Iterable[str | bytes]:
    told: list[Any] = []
    for sample in samples("comfyui"):
        told += [frame for frame in sample if isinstance(frame, dict)] if isinstance(sample, list) else []
    told += [
        {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}},
        {"type": "progress", "data": {"value": 1, "max": 4, "prompt_id": PROMPT, "node": "86"}},
        {"type": "executing", "data": {"node": "9", "prompt_id": PROMPT}},
        {"type": "execution_cached", "data": {"nodes": ["9"], "prompt_id": PROMPT}},
        {"type": "progress_state", "data": {"nodes": {"9": {"state": "running", "value": 1, "max": 2}}}},
        {"type": "executed", "data": {"node": "9", "prompt_id": PROMPT}},
    ]
    for body in bodies(3, told, 2_000):
        yield body.decode(errors="replace")
    for body in bodies(4, [{"node_id": "9", "prompt_id": PROMPT, "image_type": "image/png"}], 300):
        for event, length in ((4, len(body)), (4, 2**31), (1, 1), (7, 0)):
            yield struct.pack(">II", event, length) + body + b"picture"
    yield from (b"", b"\x00", b"\x00\x00\x00\x04", "", "null", "[]", "7", '"x"')


def test_nothing_that_a_socket_says_surprises_who_listens() -> None:
    story = Story(PROMPT)
    for frame in frames():
        for hint in story.hear(frame):
            if isinstance(hint, ComfyProgress):
                harmless(hint.node, *hint.done, *hint.shares)
                assert 0 <= hint.fraction({"9": 1.0, "86": 3.0}) <= 1
                assert hint.queue_remaining is None or hint.queue_remaining >= 0
            else:
                harmless(hint.node, hint.mime)


def test_every_hostile_value_is_one_that_json_can_carry() -> None:
    for value in VALUES:
        json.dumps(value)
