"""ComfyUI's WebSocket, with recorded frames over a real one: how far a prompt is, and what it looks like."""

import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from studio.providers.comfyui import ComfyClient, open_comfyui
from studio.providers.comfyui_socket import (
    ComfyPreview,
    ComfyProgress,
    Story,
    new_client_id,
)
from tests.simulators.callers import serve
from tests.studio.providers.recorded_comfyui import FAILED, INTERRUPTED, UNKNOWN, RecordedComfy, sample

SLOW = "842743ff-aaff-4e73-8c51-91ca298ab211"
"""The prompt of `ws_full_trace.json`: nodes 1, 3, 4 from the cache, then 2, 5, s0, s1 (8 ticks each), 7, 8."""
TWO_PASSES = "6760732d-4bc9-4009-aab6-e1a705d9c722"
JPEG = b"\xff\xd8\xff\xe0--picture"


@pytest.fixture
async def server() -> AsyncIterator[RecordedComfy]:
    async with RecordedComfy() as recorded:
        yield recorded


@pytest.fixture
async def client(server: RecordedComfy) -> AsyncIterator[ComfyClient]:
    async with open_comfyui(url=server.url) as opened:
        yield opened


def text(kind: str, **data: Any) -> str:
    return json.dumps({"type": kind, "data": data})


def frames(name: str) -> list[str | bytes]:
    """The frames of a recording. Of binary ones only the event and the first bytes after it were kept."""
    return [
        struct.pack(">I", told["event"]) + bytes.fromhex(told["head"]) if told["type"] == "BINARY" else json.dumps(told)
        for told in sample(name)
    ]


async def heard(
    server: RecordedComfy, client: ComfyClient, prompt_id: str, told: list[str | bytes]
) -> list[ComfyProgress | ComfyPreview]:
    server.frames = told
    return [hint async for hint in client.watch(prompt_id, "c1")]


async def progress(
    server: RecordedComfy, client: ComfyClient, prompt_id: str, told: list[str | bytes]
) -> list[ComfyProgress]:
    return [hint for hint in await heard(server, client, prompt_id, told) if isinstance(hint, ComfyProgress)]


async def test_a_prompt_is_followed_from_its_first_node_to_its_last(server: RecordedComfy, client: ComfyClient) -> None:
    hints = await progress(server, client, SLOW, frames("ws_full_trace.json"))
    nodes = list(dict.fromkeys(hint.node for hint in hints))
    assert nodes == [None, "2", "5", "s0", "s1", "7", "8"]
    assert hints[-1].done == {"1", "2", "3", "4", "5", "s0", "s1", "7", "8"}
    assert (hints[0].queue_remaining, hints[-1].queue_remaining) == (1, 0)
    assert list(dict.fromkeys(hint.value for hint in hints if hint.node == "s0" and hint.of == 8)) == [1, 3, 5, 7, 8]


async def test_the_whole_is_weighed_node_by_node_and_never_goes_back(
    server: RecordedComfy, client: ComfyClient
) -> None:
    """Both passes count from 1 to 8: without weights it would run to the end twice."""
    hints = await progress(server, client, SLOW, frames("ws_full_trace.json"))
    weights = {"s0": 8.0, "s1": 8.0, "8": 4.0, "1": 0.0}
    fractions = [hint.fraction(weights) for hint in hints]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert any(fraction == pytest.approx(8 / 20) for fraction in fractions)


def test_nothing_that_is_weighed_is_no_progress() -> None:
    assert ComfyProgress(done=frozenset({"1"})).fraction({}) == 0.0
    assert ComfyProgress(shares={"1": 0.5}).fraction({"1": 2, "2": 2}) == 0.25


async def test_a_node_from_the_cache_is_done(server: RecordedComfy, client: ComfyClient) -> None:
    hints = await progress(server, client, TWO_PASSES, frames("two_pass_ws_preview.json"))
    assert "98" in hints[-1].done
    assert (hints[-1].node, hints[-1].value, hints[-1].of) == ("86", 6, 10)


async def test_a_preview_is_a_picture(server: RecordedComfy, client: ComfyClient) -> None:
    hints = await heard(server, client, TWO_PASSES, frames("two_pass_ws_preview.json"))
    previews = [hint for hint in hints if isinstance(hint, ComfyPreview)]
    assert len(previews) == 6
    assert {preview.mime for preview in previews} == {"image/jpeg"}
    assert all(preview.image.startswith(b"\xff\xd8\xff") for preview in previews)


@pytest.mark.parametrize(("kind", "mime"), [(1, "image/jpeg"), (2, "image/png")])
async def test_an_old_server_s_preview_says_its_format(
    server: RecordedComfy, client: ComfyClient, kind: int, mime: str
) -> None:
    hints = await heard(server, client, SLOW, [struct.pack(">II", 1, kind) + JPEG])
    assert hints == [ComfyPreview(JPEG, mime)]


async def test_a_new_server_s_preview_says_whose_it_is(server: RecordedComfy, client: ComfyClient) -> None:
    def preview(prompt_id: str) -> bytes:
        about = json.dumps({"prompt_id": prompt_id, "node_id": "86", "image_type": "image/png"}).encode()
        return struct.pack(">II", 4, len(about)) + about + JPEG

    hints = await heard(server, client, SLOW, [preview(UNKNOWN), preview(SLOW)])
    assert hints == [ComfyPreview(JPEG, "image/png", "86")]


async def test_new_servers_are_told_that_we_want_to_know_whose_a_preview_is(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.frames = frames("ws_hello.json")
    async for hint in client.watch(SLOW, "c1"):
        assert hint == ComfyProgress(queue_remaining=0)
    client_id, said = server.heard
    assert client_id == "c1"
    assert json.loads(said) == {"type": "feature_flags", "data": {"supports_preview_metadata": True}}


async def test_another_prompt_s_progress_is_none_of_ours(server: RecordedComfy, client: ComfyClient) -> None:
    hints = await progress(server, client, UNKNOWN, frames("ws_full_trace.json"))
    assert hints == [ComfyProgress(queue_remaining=1), ComfyProgress(queue_remaining=0)]


async def test_who_comes_late_hears_which_node_works(server: RecordedComfy, client: ComfyClient) -> None:
    """That first message has no prompt id."""
    late = [text("executing", node="s1"), text("progress", value=5, max=8, prompt_id=SLOW, node="s1")]
    hints = await progress(server, client, SLOW, list(late))
    assert [(hint.node, hint.value) for hint in hints] == [("s1", 0), ("s1", 5)]


@pytest.mark.parametrize(
    ("name", "prompt_id"),
    [("ws_error.json", FAILED), ("ws_interrupted.json", INTERRUPTED), ("ws_full_trace.json", SLOW)],
)
async def test_it_is_over_when_the_server_is_through_with_the_prompt(
    server: RecordedComfy, client: ComfyClient, name: str, prompt_id: str
) -> None:
    after = text("progress", value=1, max=2, prompt_id=prompt_id, node="late")
    hints = await progress(server, client, prompt_id, [*frames(name), after])
    assert all(hint.node != "late" for hint in hints)


NONSENSE: list[str | bytes] = ["", "{", "[]", "7", '{"type": "progress"}', text("status"), b"", b"\0\0\0\1"]


async def test_what_makes_no_sense_is_passed_over(server: RecordedComfy, client: ComfyClient) -> None:
    broken = [text("progress", value="x", max=None, prompt_id=SLOW, node="1"), text("progress_state", nodes=[])]
    good = text("progress", value=1, max=2, prompt_id=SLOW, node="1")
    hints = await progress(server, client, SLOW, [*NONSENSE, *broken, good])
    assert [hint.value for hint in hints] == [1]


@given(st.one_of(st.binary(max_size=64), st.text(max_size=64)))
def test_no_frame_is_a_surprise(frame: str | bytes) -> None:
    Story(SLOW).hear(frame)


async def test_a_line_that_breaks_ends_without_a_word(server: RecordedComfy, client: ComfyClient) -> None:
    server.frames = [text("status", status={"exec_info": {"queue_remaining": 3}})]
    assert await progress(server, client, SLOW, server.frames) == [ComfyProgress(queue_remaining=3)]


async def test_a_server_without_a_socket_tells_nothing() -> None:
    async def no(request: web.Request) -> web.Response:
        raise web.HTTPForbidden

    app = web.Application()
    app.router.add_get("/ws", no)
    async with AsyncExitStack() as stack:
        for url in (await serve(stack, app), "http://127.0.0.1:9"):
            async with open_comfyui(url=url) as client:
                assert [hint async for hint in client.watch(SLOW, "c1")] == []


def test_no_two_submissions_share_a_client_id() -> None:
    """The newer of two sockets with one id goes silent for good when the older closes."""
    assert len({new_client_id() for _ in range(100)}) == 100
