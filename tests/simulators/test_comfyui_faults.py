"""What goes wrong with ComfyUI servers: lost replies, restarts, hangs, strangers in the queue; and who counts it."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from simulators.comfyui import ComfyConfig, ComfySimulator
from tests.simulators.callers import impatient, until
from tests.simulators.comfy import ComfyCaller, Ears, new_id, sampled, trivial, two_pass
from tests.simulators.test_command import running as command

# ── on the wire ──────────────────────────────────────────────────────────


async def test_a_reply_may_be_lost_after_the_prompt_was_queued(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.script("prompt", ["accept_then_reset"])
    prompt_id = new_id()
    with pytest.raises(httpx.HTTPError):
        await artist.post(trivial(), prompt_id=prompt_id)
    assert (await artist.job(prompt_id)).status_code == 200
    assert len(comfy.ledger.of(prompt_id)) == 1


async def test_a_request_may_be_lost_before_anything_was_queued(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.script("prompt", ["reset_before"])
    prompt_id = new_id()
    with pytest.raises(httpx.HTTPError):
        await artist.post(trivial(), prompt_id=prompt_id)
    assert (await artist.job(prompt_id)).status_code == 404
    assert comfy.ledger.accepted == 0


async def test_a_client_that_leaves_after_its_request_is_served_nevertheless(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    body = json.dumps({"prompt": trivial(), "client_id": "x"}).encode()
    head = f"POST /prompt HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(comfy.api_url).port)
    writer.write(head + body)
    await writer.drain()
    writer.close()
    await until(lambda: comfy.ledger.accepted == 1)


async def test_a_hung_server_accepts_and_never_answers(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.script("*", ["hang"], repeat=True)
    for path in ("/system_stats", "/queue", "/view"):
        with pytest.raises(httpx.ReadTimeout):
            await artist.http.get(path, timeout=impatient(0.1))
    comfy.reset("faults")
    assert (await artist.http.get("/queue")).status_code == 200


async def test_a_slow_and_a_troubled_server_come_by_rule(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.script("queue", [{"slow_headers": 0.2}, {"http": 500}, "html"])
    with pytest.raises(httpx.ReadTimeout):
        await artist.http.get("/queue", timeout=impatient(0.1))
    response = await artist.http.get("/api/queue")
    assert (response.status_code, response.text.splitlines()[0]) == (500, "500 Internal Server Error")
    assert (await artist.http.get("/queue")).status_code == 502


async def test_a_download_may_be_cut_off(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    file = (await artist.made(trivial()))["9"]["images"][0]
    comfy.script("view", ["truncated_body"])
    with pytest.raises(httpx.RemoteProtocolError):
        await artist.view(file)


# ── restarts ─────────────────────────────────────────────────────────────


async def test_a_restart_loses_everything_but_the_files(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    ears = await Ears.open(comfy.api_url)
    done = await artist.submit(trivial())
    file = (await artist.ended(done))["outputs"]["9"]["images"][0]
    comfy.order(match="jobs/clip", seconds=30, encode_seconds=30)
    running, waiting = await artist.submit(two_pass()), await artist.submit(trivial(2))
    half = comfy.folder / "output" / "jobs" / "clip_00001_.mp4"
    await until(half.exists)
    await artist.http.post(f"{comfy.admin_url}/__sim/restart")
    with pytest.raises(ConnectionClosed):
        await ears.listen("the end")
    for prompt_id in (done, running, waiting):
        assert (await artist.job(prompt_id)).status_code == 404
        assert await artist.past(prompt_id) == {}
    assert await artist.queue() == ([], [])
    assert (await artist.view(file)).status_code == 200
    partial = await artist.view({"filename": half.name, "subfolder": "jobs", "type": "output"})
    assert (partial.status_code, len(partial.content)) == (200, half.stat().st_size)
    assert [entry.state for entry in comfy.ledger.prompts] == ["success", "lost", "lost"]
    comfy.reset("faults")
    outputs = await artist.made(two_pass())
    assert outputs["108"]["images"][0]["filename"] == "clip_00002_.mp4"


async def test_a_restart_may_take_its_time(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    await artist.http.post(f"{comfy.admin_url}/__sim/restart", json={"seconds": 2})
    with pytest.raises(httpx.ConnectError):
        await artist.http.get("/queue")

    async def back() -> None:
        while True:
            try:
                assert (await artist.http.get("/queue")).status_code == 200
                return
            except httpx.ConnectError:
                await asyncio.sleep(0.02)

    await asyncio.wait_for(back(), 240)
    await artist.made(trivial())


async def test_a_client_id_that_is_a_list_kills_the_server(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    try:
        await artist.post(trivial(), client_id=["x"])
    except httpx.HTTPError:
        pass  # it may be gone before it has answered

    async def gone() -> None:
        while True:
            try:
                await artist.http.get("/queue")
            except httpx.ConnectError:
                return

    await asyncio.wait_for(gone(), 240)
    await artist.http.post(f"{comfy.admin_url}/__sim/up", json={"host": "api"})
    assert await artist.queue() == ([], [])


async def test_a_killed_process_loses_its_memory_and_keeps_files_and_ledger(
    http: httpx.AsyncClient, clips: Path, tmp_path: Path
) -> None:
    usual = ["comfyui", "--data", str(tmp_path), "--persist", "--files", "placeholder", "--cache", str(clips)]
    usual += ["--prompt-seconds", "0.02", "--generation", "new"]
    async with command(*usual) as first:
        async with ComfyCaller(first.ready["api_url"]) as artist:
            done = await artist.submit(trivial())
            file = (await artist.ended(done))["outputs"]["9"]["images"][0]
            await http.post(
                f"{first.ready['admin_url']}/__sim/faults", json={"route": "run", "script": [{"stuck": True}]}
            )
            lost = await artist.submit(sampled(), prompt_id=new_id())
        ports = [str(httpx.URL(first.ready[f"{host}_url"]).port) for host in ("api", "admin")]
        first.process.kill()
        assert await first.ended() == -signal.SIGKILL
    async with command(*usual, "--port", ports[0], "--admin-port", ports[1]) as second:
        async with ComfyCaller(second.ready["api_url"]) as artist:
            assert [(await artist.job(prompt_id)).status_code for prompt_id in (done, lost)] == [404, 404]
            assert (await artist.view(file)).status_code == 200
            await artist.made(trivial())
        ledger = (await http.get(f"{second.ready['admin_url']}/__sim/ledger")).json()
        assert [entry["state"] for entry in ledger["prompts"]] == ["success", "lost", "success"]
        assert ledger["counters"]["accepted"] == 3


async def test_a_simulator_says_where_it_is(http: httpx.AsyncClient) -> None:
    async with command("comfyui", "--generation", "old", "--config", '{"models": "none"}') as comfy:
        assert comfy.ready.keys() == {"simulator", "pid", "api_url", "admin_url"}
        stats = (await http.get(f"{comfy.ready['api_url']}/system_stats")).json()
        assert stats["system"]["comfyui_version"] == "0.3.64"
        comfy.process.send_signal(signal.SIGTERM)
        assert await comfy.ended() == 0


# ── the GPU ──────────────────────────────────────────────────────────────


async def test_a_stuck_prompt_blocks_the_queue_until_it_is_interrupted(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.order(stuck=True, count=1)
    stuck = await artist.submit(sampled(1))
    waiting = await artist.submit(sampled(2))
    await until(lambda: comfy.ledger.of(stuck)[0].state == "running")
    comfy.advance(3600)
    assert await artist.queue() == ([stuck], [waiting])
    await artist.http.post("/interrupt", json={"prompt_id": stuck})
    assert (await artist.ended(waiting))["status"]["completed"] is True


async def test_somebody_elses_prompts_are_in_the_same_queue(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    told = await artist.http.post(f"{comfy.admin_url}/__sim/foreign", json={"count": 2, "seconds": 100})
    ours = await artist.submit(trivial())
    await until(lambda: comfy.ledger.runs == 1)
    assert await artist.queue() == (told.json()["ids"][:1], [told.json()["ids"][1], ours])
    comfy.advance(100)
    await until(lambda: comfy.ledger.runs == 2)
    comfy.advance(100)
    await artist.ended(ours)
    assert [entry.foreign for entry in comfy.ledger.prompts] == [True, True, False]


async def test_gpu_time_is_what_was_asked_for(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    await artist.made(two_pass(0))
    comfy.configure(prompt_seconds=1)
    for seed in (1, 2, 3):
        await artist.submit(two_pass(seed))
    await until(lambda: comfy.ledger.counters()["success"] == 4)
    took = [(entry.ended or 0) - (entry.started or 0) for entry in comfy.ledger.prompts[1:]]
    assert min(took) >= 0.999
    assert sorted(took)[1] < 4  # the middle one: a busy machine may delay one of them
    assert comfy.ledger.counters()["busy_seconds"] >= sum(took)


async def test_without_a_fixed_time_it_follows_from_what_is_made(start_comfy: Any) -> None:
    settings = {"prompt_seconds": None, "picture_seconds": 10, "clip_seconds": 160, "speed": 1000}
    comfy = await start_comfy(**settings)
    async with ComfyCaller(comfy) as artist:
        for graph, seconds in ((sampled(), 0.010), (two_pass(length=17), 0.170), (trivial(), 0.0)):
            await artist.made(graph)
            entry = comfy.ledger.prompts[-1]
            assert (entry.ended or 0) - (entry.started or 0) >= seconds


# ── the ledger ───────────────────────────────────────────────────────────


async def test_the_ledger_counts_what_was_asked_and_what_was_done(
    comfy: ComfySimulator, artist: ComfyCaller, http: httpx.AsyncClient
) -> None:
    await artist.post({})
    prompt_id = await artist.submit(trivial(prefix="jobs/t1/a1"))
    file = (await artist.ended(prompt_id))["outputs"]["9"]["images"][0]
    await artist.view(file)
    await artist.made(trivial(2))
    told = (await http.get(f"{comfy.admin_url}/__sim/ledger")).json()
    counters = told["counters"]
    assert (counters["accepted"], counters["runs"], counters["success"], counters["rejected"]) == (2, 2, 2, 1)
    assert (counters["downloads"], counters["model_loads"]) == (1, 0)
    assert counters["idle_seconds"] == pytest.approx(sum(told["gaps"]))
    entry = told["prompts"][0]
    assert (entry["prompt_id"], entry["prefix"], entry["state"]) == (prompt_id, "jobs/t1/a1", "success")
    assert entry["accepted"] <= entry["started"] <= entry["ended"]
    assert entry["files"] == ["jobs/t1/a1_00001_.png"]
    assert entry["graph_hash"] != told["prompts"][1]["graph_hash"]
    assert told["refused"][0]["code"] == "prompt_no_outputs"
    only = (await http.get(f"{comfy.admin_url}/__sim/ledger", params={"only": "gaps"})).json()
    assert only.keys() == {"gaps"}


async def test_a_reset_begins_anew(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(stuck=True)
    await artist.submit(sampled())
    await artist.upload(b"x", "mine.png", subfolder="a")
    await until(lambda: comfy.ledger.runs == 1)
    comfy.reset()
    assert comfy.ledger.accepted == 0
    assert await artist.queue() == ([], [])
    assert sorted(path.name for path in comfy.folder.rglob("*.png")) == ["example.png"]
    await artist.made(sampled())


def test_persisting_needs_a_folder() -> None:
    with pytest.raises(ValueError, match="persist needs data"):
        ComfyConfig(persist=True)
