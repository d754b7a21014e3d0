"""ComfyUI over real HTTP: what is asked of new and of old servers, and what their recorded answers mean."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from studio.errors import (
    DownloadBroken,
    Forbidden,
    GraphRefused,
    InvalidRequest,
    InvalidValue,
    OutputMissing,
    RequestRefused,
    ServerGone,
    StudioError,
)
from studio.providers.comfyui import ComfyClient, open_comfyui
from studio.providers.comfyui_answers import ComfyOutput
from tests.studio.providers.recorded_comfyui import (
    FAILED,
    INTERRUPTED,
    JOB_UNKNOWN,
    NEW,
    OLD,
    RUNNING,
    TAKEN,
    TWICE_QUEUED,
    UNKNOWN,
    RecordedComfy,
    sample,
)

GRAPH: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "longtake/t/1"}},
}
NOTHING_QUEUED: dict[str, Any] = {"queue_running": [], "queue_pending": []}


@pytest.fixture
async def server() -> AsyncIterator[RecordedComfy]:
    async with RecordedComfy() as recorded:
        yield recorded


@pytest.fixture
async def client(server: RecordedComfy) -> AsyncIterator[ComfyClient]:
    async with open_comfyui(url=server.url) as opened:
        yield opened


async def submit(client: ComfyClient, **changes: Any) -> None:
    given: dict[str, Any] = {"prompt_id": TAKEN, "client_id": "c1", **changes}
    await client.submit(given.pop("graph", GRAPH), **given)


# ── looking up ───────────────────────────────────────────────────────────


async def test_a_new_server_is_asked_once_for_a_prompt(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"GET /api/jobs/{FAILED}"] = (200, sample("job_error.json"))
    for _ in range(2):
        job = await client.look_up(FAILED)
    assert job is not None
    assert (job.state, job.finished, job.seconds) == ("failed", True, 0.005)
    assert [request.line for request in server.seen] == ["GET /system_stats"] + [f"GET /api/jobs/{FAILED}"] * 2


async def test_an_interrupted_prompt_is_told_from_a_failed_one(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"GET /api/jobs/{INTERRUPTED}"] = (200, sample("job_cancelled.json"))
    job = await client.look_up(INTERRUPTED)
    assert job is not None
    assert job.state == "interrupted"
    server.version = OLD
    server.answers["GET /queue"] = (200, NOTHING_QUEUED)
    server.answers[f"GET /history/{INTERRUPTED}"] = (200, {INTERRUPTED: sample("history_interrupted.json")})
    async with open_comfyui(url=server.url) as elsewhere:
        old = await elsewhere.look_up(INTERRUPTED)
    assert old == job


async def test_the_first_servers_with_jobs_call_an_interrupted_prompt_failed(
    server: RecordedComfy, client: ComfyClient
) -> None:
    told = sample("job_cancelled.json")
    server.answers[f"GET /api/jobs/{INTERRUPTED}"] = [(200, told), (200, {**told, "status": "failed"})]
    new, early = await client.look_up(INTERRUPTED), await client.look_up(INTERRUPTED)
    assert early is not None and early.state == "interrupted"
    assert early == new


async def test_what_a_new_server_does_not_know_is_nothing(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"GET /api/jobs/{UNKNOWN}"] = JOB_UNKNOWN
    assert await client.look_up(UNKNOWN) is None


async def test_an_old_server_is_asked_for_its_queue_and_then_for_its_history(
    server: RecordedComfy, client: ComfyClient
) -> None:
    """A prompt that ends in between is in the history by then; the other order could miss it."""
    server.version = OLD
    server.answers["GET /queue"] = (200, sample("queue_two.json"))
    server.answers[f"GET /history/{TAKEN}"] = (200, {TAKEN: sample("history_success.json")})
    server.answers[f"GET /history/{UNKNOWN}"] = (200, {})
    job = await client.look_up(TAKEN)
    assert job is not None
    assert (job.state, job.client_id) == ("success", "95a7240f28904fed9d6434075dd5017c")
    assert job.output("9") == ComfyOutput("trivial_00002_.png", "mf", "output", "9")
    assert await client.look_up(UNKNOWN) is None
    assert server.lines() == [
        "GET /queue",
        f"GET /history/{TAKEN}",
        "GET /queue",
        f"GET /history/{UNKNOWN}",
    ]


async def test_an_old_server_s_queue_knows_what_runs_and_what_waits(server: RecordedComfy, client: ComfyClient) -> None:
    server.version = OLD
    server.answers["GET /queue"] = (200, sample("queue_two.json"))
    running, pending = await client.look_up(RUNNING), await client.look_up(TWICE_QUEUED)
    assert running is not None and pending is not None
    assert (running.state, pending.state) == ("running", "pending")
    assert not running.finished
    assert pending.client_id == "fc6d27fe83ad46b7a2a654628474521e"
    assert server.lines() == ["GET /queue"] * 2


async def test_a_server_that_was_away_is_asked_its_version_again(server: RecordedComfy, client: ComfyClient) -> None:
    assert await client.version() == NEW
    assert await client.version() == NEW
    server.answers[f"GET /api/jobs/{UNKNOWN}"] = ["hang up", JOB_UNKNOWN]
    with pytest.raises(ServerGone):
        await client.look_up(UNKNOWN)
    server.version = OLD
    assert await client.version() == OLD
    assert [request.line for request in server.seen].count("GET /system_stats") == 2


async def test_an_older_server_in_the_same_place_is_noticed(server: RecordedComfy, client: ComfyClient) -> None:
    """Its answer to a route it does not have is a 404 without JSON: not the 404 of an unknown prompt."""
    assert await client.version() == NEW
    server.version = OLD
    server.answers["GET /queue"] = (200, sample("queue_two.json"))
    job = await client.look_up(RUNNING)
    assert job is not None
    assert job.state == "running"


@pytest.mark.parametrize("page", [{"error": "Not Found"}, "404 page not found"], ids=str)
async def test_a_404_of_somebody_else_is_no_unknown_prompt(
    server: RecordedComfy, client: ComfyClient, page: Any
) -> None:
    """Who takes it for one sends the prompt a second time."""
    proxys = (404, page)
    server.answers[f"GET /api/jobs/{TAKEN}"] = [proxys, proxys, (200, {"id": TAKEN, "status": "in_progress"})]
    with pytest.raises(ServerGone) as gone:
        await client.look_up(TAKEN)
    assert gone.value.retryable
    server.answers |= {"GET /queue": (200, NOTHING_QUEUED), f"GET /history/{TAKEN}": (200, {})}
    assert await client.look_up(TAKEN) is None  # the server itself does not know it
    job = await client.look_up(TAKEN)
    assert job is not None and job.state == "running"


async def test_who_hears_of_a_prompt_is_in_the_queue_where_the_job_does_not_say(
    server: RecordedComfy, client: ComfyClient
) -> None:
    """As with 0.8: the job of a prompt that waits or runs comes without its graph and its client."""
    server.version = "0.8.1"
    server.answers[f"GET /api/jobs/{RUNNING}"] = (200, {"id": RUNNING, "status": "in_progress", "outputs_count": 0})
    server.answers["GET /queue"] = (200, sample("queue_two.json"))
    job = await client.look_up(RUNNING)
    assert job is not None and job.client_id is None
    assert server.lines() == [f"GET /api/jobs/{RUNNING}"]
    assert await client.client_of(RUNNING) == "fc6d27fe83ad46b7a2a654628474521e"
    assert await client.client_of(UNKNOWN) is None


async def test_a_state_nobody_knows_is_looked_at_again_later(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"GET /api/jobs/{TAKEN}"] = (200, {"id": TAKEN, "status": "paused"})
    with pytest.raises(ServerGone, match="is not known: paused"):
        await client.look_up(TAKEN)


# ── the queue ────────────────────────────────────────────────────────────


async def test_the_queue_is_in_the_order_of_its_numbers(server: RecordedComfy, client: ComfyClient) -> None:
    """It comes as a heap."""
    told = sample("queue_two.json")
    told["queue_pending"].reverse()
    told["queue_pending"].append([39.5, UNKNOWN, {}, {}, ["9"]])
    server.answers["GET /queue"] = (200, told)
    queue = await client.queue()
    assert [entry.number for entry in queue.pending] == [39, 39.5, 40, 41]
    assert (queue.ahead_of(RUNNING), queue.ahead_of(TWICE_QUEUED), queue.ahead_of(UNKNOWN)) == (0, 1, 2)
    assert queue.ahead_of(TAKEN) is None
    assert not queue.idle


async def test_an_idle_server_has_nothing_in_its_queue(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["GET /queue"] = (200, NOTHING_QUEUED)
    assert (await client.queue()).idle


# ── submitting ───────────────────────────────────────────────────────────


async def test_a_graph_is_submitted_under_our_ids(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["POST /prompt"] = tuple(sample("prompt_ok.json"))
    await submit(client, extra={"extra_pnginfo": {"job": {"take": "t"}}})
    assert server.lines() == ["POST /prompt"]
    assert server.seen[0].body == {
        "prompt": GRAPH,
        "prompt_id": TAKEN,
        "client_id": "c1",
        "extra_data": {"extra_pnginfo": {"job": {"take": "t"}}},
    }


async def test_previews_are_asked_for_by_who_wants_them(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["POST /prompt"] = tuple(sample("prompt_ok.json"))
    await submit(client)
    await submit(client, previews=True)
    assert [request.body["extra_data"] for request in server.seen] == [{}, {"preview_method": "latent2rgb"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt_id": TAKEN.upper()},
        {"prompt_id": uuid.UUID(TAKEN).hex},
        {"prompt_id": "take-1"},
        {"prompt_id": ""},
        {"client_id": ""},
        {"client_id": ["c1"]},
        {"graph": {"1": "EmptyImage"}},
        {"graph": {"1": {"class_type": "EmptyImage", "inputs": None}}},
        {"graph": {"nodes": [], "links": [], "version": 0.4}},
        {"extra": {"extra_pnginfo": None}},
        {"extra": {"extra_pnginfo": {"workflow": "wan"}}},
    ],
    ids=str,
)
async def test_what_a_server_would_stumble_over_is_not_sent(
    server: RecordedComfy, client: ComfyClient, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await submit(client, **changes)
    assert server.seen == []


async def test_a_prompt_that_is_taken_in_part_is_cancelled_and_refused(
    server: RecordedComfy, client: ComfyClient
) -> None:
    """One of two outputs is invalid: the server says 200 and would silently make the other."""
    half = sample("prompt_errors.json")["partial_two_outputs_one_bad"]
    prompt_id = half["body"]["prompt_id"]
    server.answers["POST /prompt"] = (200, half["body"])
    server.answers[f"POST /api/jobs/{prompt_id}/cancel"] = (200, {"cancelled": True})
    server.answers[f"GET /api/jobs/{prompt_id}"] = (200, {"id": prompt_id, "status": "in_progress"})
    with pytest.raises(InvalidValue, match=r"node 10 \(SaveImage\): filename_prefix: Required input is missing"):
        await submit(client, prompt_id=prompt_id)
    cancel, look = f"POST /api/jobs/{prompt_id}/cancel", f"GET /api/jobs/{prompt_id}"
    assert server.lines() == ["POST /prompt", cancel, look, cancel]


async def test_a_lost_answer_is_looked_for_and_never_sent_again(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["POST /prompt"] = "hang up"
    server.answers[f"GET /api/jobs/{TAKEN}"] = (200, {"id": TAKEN, "status": "pending"})
    await submit(client)
    assert server.lines() == ["POST /prompt", f"GET /api/jobs/{TAKEN}"]


async def test_a_lost_answer_that_left_no_trace_is_left_to_the_next_attempt(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.answers["POST /prompt"] = "hang up"
    server.answers[f"GET /api/jobs/{TAKEN}"] = JOB_UNKNOWN
    with pytest.raises(ServerGone, match="the prompt may have been queued") as gone:
        await submit(client)
    assert gone.value.retryable
    assert server.lines("POST") == ["POST /prompt"]


@pytest.mark.parametrize("answer", [(502, "<html>"), (504, ""), (200, "<html>")], ids=str)
async def test_a_proxy_s_answer_leaves_open_what_became_of_the_prompt(
    server: RecordedComfy, client: ComfyClient, answer: Any
) -> None:
    server.answers["POST /prompt"] = answer
    server.answers[f"GET /api/jobs/{TAKEN}"] = [JOB_UNKNOWN, (200, {"id": TAKEN, "status": "in_progress"})]
    with pytest.raises(ServerGone, match="may have been queued"):
        await submit(client)
    await submit(client)
    assert server.lines("POST") == ["POST /prompt"] * 2


async def test_a_server_error_is_for_good_unless_the_prompt_is_queued(
    server: RecordedComfy, client: ComfyClient
) -> None:
    """A prompt that is queued twice under one number is answered 500, and queued."""
    server.answers["POST /prompt"] = (500, sample("prompt_errors.json")["ui_format_graph"]["body"])
    server.answers[f"GET /api/jobs/{TAKEN}"] = [JOB_UNKNOWN, "hang up", (200, {"id": TAKEN, "status": "pending"})]
    with pytest.raises(GraphRefused, match=r"cannot read the graph \(500\)") as refused:
        await submit(client)
    assert not refused.value.retryable
    with pytest.raises(ServerGone):
        await submit(client)
    await submit(client)


async def test_a_server_that_gives_ids_of_its_own_is_refused_and_its_prompt_cancelled(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.version = "0.3.40"
    server.answers["POST /prompt"] = (200, {"prompt_id": UNKNOWN, "number": 1, "node_errors": {}})
    server.answers["POST /queue"] = (200, b"")
    server.answers["GET /queue"] = (200, NOTHING_QUEUED)
    server.answers[f"GET /history/{UNKNOWN}"] = (200, {})
    with pytest.raises(GraphRefused, match="too old"):
        await submit(client)
    assert [request.body for request in server.seen if request.line == "POST /queue"] == [{"delete": [UNKNOWN]}]


async def test_nothing_is_believed_of_a_server_that_refused_a_graph(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["GET /object_info"] = (200, {"SaveImage": {}})
    server.answers["POST /prompt"] = (400, sample("prompt_errors.json")["missing_model"]["body"])
    await client.object_info()
    with pytest.raises(StudioError):
        await submit(client)
    await client.object_info()
    assert server.lines().count("GET /object_info") == 2


# ── cancelling ───────────────────────────────────────────────────────────


async def test_a_new_server_cancels_by_one_request(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"POST /api/jobs/{TAKEN}/cancel"] = (200, {"cancelled": False})
    await client.cancel(TAKEN)
    assert server.lines() == [f"POST /api/jobs/{TAKEN}/cancel"]


async def test_an_older_server_in_the_same_place_cancels_in_its_own_way(
    server: RecordedComfy, client: ComfyClient
) -> None:
    """It answers 405 to a POST it has no route for."""
    assert await client.version() == NEW
    server.version = OLD
    server.answers |= {"POST /queue": (200, b""), "POST /interrupt": (200, b"")}
    await client.cancel(TAKEN)
    assert server.lines() == [f"POST /api/jobs/{TAKEN}/cancel", "POST /queue", "POST /interrupt"]


@pytest.mark.parametrize("version", [OLD, "0.24.1"])
async def test_an_older_server_takes_it_from_the_queue_and_then_interrupts_it(
    server: RecordedComfy, client: ComfyClient, version: str
) -> None:
    server.version = version
    server.answers |= {"POST /queue": (200, b""), "POST /interrupt": (200, b"")}
    await client.cancel(TAKEN)
    assert server.lines() == ["POST /queue", "POST /interrupt"]
    assert [request.body for request in server.seen[1:]] == [{"delete": [TAKEN]}, {"prompt_id": TAKEN}]


async def test_a_server_that_can_only_interrupt_whatever_runs_is_asked_what_that_is(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.version = "0.3.50"
    server.answers |= {"POST /queue": (200, b""), "POST /interrupt": (200, b"")}
    server.answers["GET /queue"] = (200, sample("queue_two.json"))
    await client.cancel(TWICE_QUEUED)
    assert server.lines("POST") == ["POST /queue"]
    await client.cancel(RUNNING)
    assert server.lines("POST") == ["POST /queue", "POST /queue", "POST /interrupt"]


# ── files ────────────────────────────────────────────────────────────────


async def test_a_picture_is_uploaded_under_the_digest_of_its_bytes(server: RecordedComfy, client: ComfyClient) -> None:
    stored = f"{hashlib.sha256(b'picture').hexdigest()}.png"
    server.answers["POST /upload/image"] = (200, {"name": stored, "subfolder": "longtake", "type": "input"})
    assert await client.upload(b"picture", "Schöne Möwe.PNG") == f"longtake/{stored}"
    form = server.seen[0].body
    assert f'name="image"; filename="{stored}"'.encode() in form
    assert b'name="subfolder"\r\n\r\nlongtake' in form


async def test_the_name_the_server_gives_is_the_one_that_counts(server: RecordedComfy, client: ComfyClient) -> None:
    """Other bytes lay there under that name: a half-written file of an earlier upload."""
    server.answers["POST /upload/image"] = (200, {"name": "ab (1).png", "subfolder": "longtake", "type": "input"})
    assert await client.upload(b"picture", "still.png") == "longtake/ab (1).png"


async def test_a_picture_the_server_does_not_take_is_refused_for_good(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.answers["POST /upload/image"] = (413, "too large")
    with pytest.raises(RequestRefused, match="--max-upload-size"):
        await client.upload(b"picture", "still.png")


async def test_an_output_is_found_by_the_name_it_must_have(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["HEAD /view"] = (200, b"clip")
    found = await client.find_output("longtake/take/1", ".mp4")
    assert found == ComfyOutput("1_00001_.mp4", "longtake/take", size=4)
    assert server.seen[0].query == {"filename": "1_00001_.mp4", "subfolder": "longtake/take", "type": "output"}
    del server.answers["HEAD /view"]
    assert await client.find_output("longtake/take/2", "mp4") is None


async def test_a_file_comes_down_whole(server: RecordedComfy, client: ComfyClient, tmp_path: Path) -> None:
    server.answers["GET /view"] = (200, b"clip" * 100_000)
    length = await client.fetch(ComfyOutput("1_00001_.mp4", "longtake/take"), tmp_path / "clip.mp4")
    assert length == 400_000
    assert (tmp_path / "clip.mp4").read_bytes() == b"clip" * 100_000


@pytest.mark.parametrize(
    ("answer", "limit", "error"),
    [
        ((404, ""), 100, OutputMissing),
        ((200, b"longer than ten bytes"), 10, OutputMissing),
        ((200, b""), 100, OutputMissing),
        ((503, ""), 100, ServerGone),
        ((403, ""), 100, Forbidden),
        ("hang up", 100, DownloadBroken),
    ],
    ids=str,
)
async def test_a_file_that_does_not_come_leaves_nothing_behind(
    server: RecordedComfy, client: ComfyClient, tmp_path: Path, answer: Any, limit: int, error: type[StudioError]
) -> None:
    server.answers["GET /view"] = answer
    with pytest.raises(StudioError) as failed:
        await client.fetch(ComfyOutput("clip.mp4"), tmp_path / "clip.mp4", limit=limit)
    assert type(failed.value) is error
    assert not (tmp_path / "clip.mp4").exists()


# ── the server ───────────────────────────────────────────────────────────


async def test_a_server_tells_its_version_and_its_memory(server: RecordedComfy, client: ComfyClient) -> None:
    device = {"name": "cuda:0 RTX 4090", "type": "cuda", "vram_total": 24_000_000_000, "vram_free": 20_000_000_000}
    told = {"system": {"comfyui_version": NEW, "ram_free": 7}, "devices": [device]}
    server.answers["GET /system_stats"] = (200, told)
    stats = await client.system_stats()
    assert (stats.version, stats.ram_free) == (NEW, 7)
    assert [(d.name, d.vram_free) for d in stats.devices] == [("cuda:0 RTX 4090", 20_000_000_000)]


async def test_the_nodes_of_a_server_are_asked_for_once(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["GET /object_info"] = (200, {"SaveImage": {}})
    assert await client.object_info() == await client.object_info() == {"SaveImage": {}}
    assert server.lines() == ["GET /object_info"]
    server.answers["GET /object_info"] = (200, {"SaveImage": {}, "SaveVideo": {}})
    assert "SaveVideo" in await client.object_info(refresh=True)
    assert "SaveVideo" in await client.object_info()
    assert server.lines() == ["GET /object_info"] * 2


async def test_the_nodes_are_asked_for_again_when_the_server_was_away(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.answers["GET /object_info"] = (200, {"SaveImage": {}})
    server.answers["GET /queue"] = "hang up"
    await client.object_info()
    with pytest.raises(ServerGone):
        await client.queue()
    await client.object_info()
    assert server.lines().count("GET /object_info") == 2


async def test_a_server_is_asked_to_give_memory_back(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers["POST /free"] = (200, b"")
    await client.free(unload_models=False)
    assert server.seen[0].body == {"unload_models": False, "free_memory": True}


@pytest.mark.parametrize(
    ("answer", "error"),
    [((500, ""), ServerGone), ((200, "<html>"), ServerGone), ((401, ""), Forbidden), ((404, ""), RequestRefused)],
    ids=str,
)
async def test_who_is_no_comfyui_server_is_told_from_one_in_trouble(
    server: RecordedComfy, client: ComfyClient, answer: Any, error: type[StudioError]
) -> None:
    server.answers["GET /queue"] = answer
    with pytest.raises(StudioError) as failed:
        await client.queue()
    assert type(failed.value) is error


async def test_a_path_before_the_server_is_kept(server: RecordedComfy) -> None:
    server.answers["GET /gpu1/queue"] = (200, NOTHING_QUEUED)
    async with open_comfyui(url=f"{server.url}/gpu1") as behind_a_proxy:
        assert (await behind_a_proxy.queue()).idle
