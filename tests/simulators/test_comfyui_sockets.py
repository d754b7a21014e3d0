"""The WebSocket of a ComfyUI server: who hears what, in which order, and who hears nothing any more."""

import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from simulators.comfyui import ComfySimulator
from tests.simulators.callers import until
from tests.simulators.comfy import ComfyCaller, Ears, Graph, node, sampled, trivial, two_pass, without_repeats

TRACE: list[str] = json.loads((Path(__file__).parent / "recorded" / "comfyui_trace.json").read_text())
Listen = Callable[..., Awaitable[Ears]]


@pytest.fixture
async def listen(comfy: ComfySimulator) -> AsyncIterator[Listen]:
    opened: list[Ears] = []

    async def start(client_id: str = "tester", path: str = "/ws") -> Ears:
        ears = await Ears.open(comfy.api_url, client_id, path)
        opened.append(ears)
        await ears.listen("status " + str(comfy.ledger.counters()["pending"] + comfy.ledger.counters()["running"]))
        return ears

    yield start
    for ears in opened:
        await ears.close()


def slow(seed: int) -> Graph:
    """The graph behind the recorded trace: two nodes that tick eight times each."""
    usual = {"method": "reinhard_lab", "source_stats": "per_frame", "strength": 1.0, "image_ref": ["4", 0]}
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=8421504),
        "2": node("ImageAddNoise", image=["1", 0], seed=seed, strength=0.5),
        "3": node("EmptyImage", width=32, height=32, batch_size=1, color=12607536),
        "4": node("ImageAddNoise", image=["3", 0], seed=7, strength=0.3),
        "5": node("RepeatImageBatch", image=["2", 0], amount=8),
        "s0": node("ColorTransfer", image_target=["5", 0], **usual),
        "s1": node("ColorTransfer", image_target=["s0", 0], **usual),
        "7": node("CreateVideo", images=["s1", 0], fps=16.0),
        "8": node("SaveVideo", video=["7", 0], filename_prefix="mf/slow", format="mp4", **{"format.codec": "h264"}),
    }  # fmt: skip


async def test_the_messages_of_a_prompt_come_in_the_recorded_order(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    await artist.made(slow(1))
    ears = await listen()
    comfy.configure(prompt_seconds=0.3, throttle=0)
    await artist.submit(slow(2))
    heard = await ears.listen()
    assert without_repeats(heard) == without_repeats(TRACE)
    assert heard.count("progress s0") == heard.count("progress s1") == 8
    executed = next(message["data"] for message in ears.heard if message["type"] == "executed")
    assert executed["output"]["animated"] == [True]
    assert executed["output"]["images"] == [{"filename": "slow_00002_.mp4", "subfolder": "mf", "type": "output"}]


async def test_history_is_there_when_the_last_message_comes(artist: ComfyCaller, listen: Listen) -> None:
    ears = await listen()
    for seed in range(5):
        prompt_id = await artist.submit(trivial(seed))
        await ears.listen()
        assert (await artist.past(prompt_id))["status"]["completed"] is True


async def test_history_may_be_late_when_the_prompt_is_told_to_have_succeeded(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    comfy.configure(history_lag=0.2)
    ears = await listen()
    prompt_id = await artist.submit(trivial())
    await ears.listen("execution_success")
    assert await artist.past(prompt_id) == {}
    await ears.listen()
    assert await artist.past(prompt_id) != {}


async def test_an_error_and_an_interrupt_end_with_the_same_two_messages(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    ears = await listen()
    comfy.order(fail="error", count=1)
    await artist.submit(sampled(1))
    assert (await ears.listen())[-3:] == ["execution_error", "status 0", "executing None"]
    comfy.configure(prompt_seconds=30)
    await artist.submit(sampled(2))
    await ears.listen("executing 3")
    await artist.http.post("/interrupt")
    assert (await ears.listen())[-3:] == ["execution_interrupted", "status 0", "executing None"]


async def test_progress_of_two_passes_runs_twice_from_one(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    comfy.configure(throttle=0)
    ears = await listen()
    await artist.submit(two_pass())
    await ears.listen()
    ticks = [message["data"] for message in ears.heard if message["type"] == "progress"]
    assert [(tick["node"], tick["value"], tick["max"]) for tick in ticks] == [
        (name, value, 4) for name in ("86", "85") for value in (1, 2, 3, 4)
    ]


async def test_progress_is_throttled_but_its_ends_are_told(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    comfy.configure(throttle=60)
    ears = await listen()
    await artist.submit(sampled(steps=50))
    await ears.listen()
    assert [m["data"]["value"] for m in ears.heard if m["type"] == "progress"] == [1, 50]


async def test_others_hear_only_how_long_the_queue_is(artist: ComfyCaller, listen: Listen) -> None:
    ears = await listen("somebody-else", "/api/ws")
    await artist.submit(trivial())
    assert await ears.listen("status 0") == ["status 1", "status 1", "status 0"]


async def test_a_prompt_of_nobody_tells_everybody_its_progress_and_nobody_its_end(
    artist: ComfyCaller, listen: Listen
) -> None:
    ears = await listen()
    response = await artist.http.post("/prompt", json={"prompt": sampled()})
    await artist.ended(response.json()["prompt_id"])
    kinds = {line.split()[0] for line in await ears.listen("status 0")}
    assert kinds == {"status", "progress_state", "progress"}


async def test_who_joins_late_hears_the_node_without_the_prompt(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    comfy.configure(prompt_seconds=300)
    early = await listen()
    await artist.submit(sampled())
    await early.listen("executing 3")
    await early.close()
    late = await Ears.open(comfy.api_url)
    assert await late.listen("executing 3") == ["status 1", "executing 3"]
    assert late.heard[-1]["data"] == {"node": "3"}
    await late.close()


async def test_the_newer_of_two_sockets_is_muted_when_the_older_closes(artist: ComfyCaller, listen: Listen) -> None:
    older, newer, third = await listen(), await listen(), await listen("third")
    await artist.made(trivial(1))
    assert (await newer.listen())[-1] == "executing None"
    await older.close()
    await artist.submit(trivial(2))
    await third.listen("status 0")
    await third.listen("status 0")
    with pytest.raises(TimeoutError):
        await newer.listen(seconds=0.2)


@pytest.mark.parametrize("nobodys", [False, True])
async def test_others_hear_of_an_interrupt_when_the_prompt_is_nobody_s(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen, nobodys: bool
) -> None:
    comfy.configure(prompt_seconds=30)
    other = await listen("somebody-else")
    body = {"prompt": sampled()} if nobodys else {"prompt": sampled(), "client_id": "tester"}
    await artist.http.post("/prompt", json=body)
    await until(lambda: comfy.ledger.runs == 1)
    await artist.http.post("/interrupt")
    assert ("execution_interrupted" in await other.listen("status 0")) is nobodys


async def test_a_page_of_another_origin_gets_no_socket(comfy: ComfySimulator) -> None:
    with pytest.raises(InvalidStatus):
        await connect(f"{comfy.api_url.replace('http', 'ws', 1)}/ws", origin=Origin("http://evil.example"))


async def test_features_are_exchanged_when_the_client_begins_with_them(listen: Listen) -> None:
    ears = await listen()
    await ears.socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
    await ears.listen("feature_flags")
    assert ears.heard[-1]["data"]["supports_preview_metadata"] is True


@pytest.mark.parametrize("rich", [False, True])
async def test_previews_come_when_they_are_asked_for(artist: ComfyCaller, listen: Listen, rich: bool) -> None:
    ears = await listen()
    if rich:
        await ears.socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        await ears.listen("feature_flags")
    prompt_id = await artist.submit(sampled(1), extra_data={"preview_method": "latent2rgb"})
    await ears.listen()
    assert ears.binary
    event, second = struct.unpack_from(">II", ears.binary[-1])
    image = ears.binary[-1][8:]
    if rich:
        about: dict[str, Any] = json.loads(image[:second])
        assert (about["node_id"], about["prompt_id"], about["image_type"]) == ("3", prompt_id, "image/jpeg")
        image = image[second:]
    assert (event, second if not rich else 1) == ((4, 1) if rich else (1, 1))
    assert Image.open(BytesIO(image)).format == "JPEG"
    ears.binary.clear()
    await artist.submit(sampled(2), extra_data={"preview_method": None})
    await ears.listen()
    assert ears.binary == []


async def test_a_muted_server_says_hello_and_nothing_else(
    comfy: ComfySimulator, artist: ComfyCaller, listen: Listen
) -> None:
    comfy.configure(sockets="muted")
    ears = await listen()
    await artist.made(trivial())
    with pytest.raises(TimeoutError):
        await ears.listen(seconds=0.2)


async def test_a_server_may_refuse_sockets(comfy: ComfySimulator) -> None:
    comfy.configure(sockets="refused")
    with pytest.raises(InvalidStatus):
        await Ears.open(comfy.api_url)


async def test_sockets_break_off_on_order(comfy: ComfySimulator, artist: ComfyCaller, listen: Listen) -> None:
    ears = await listen()
    await artist.http.post(f"{comfy.admin_url}/__sim/drop_sockets")
    with pytest.raises(ConnectionClosed):
        await ears.listen()
    await until(lambda: ears.socket.close_code == 1006)
