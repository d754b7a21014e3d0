"""What servers with custom nodes, old servers and servers on Windows answer, kept as files: what we make of each."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio.errors import (
    BadClip,
    Forbidden,
    GraphRefused,
    ModelMissing,
    OutOfMemory,
    OutputMissing,
    OutputPreviewed,
    StorageUnavailable,
    StudioError,
)
from studio.providers.comfyui import ComfyClient, open_comfyui
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput, history_of, job_of, queue_of
from studio.providers.comfyui_refusals import refusal
from tests.studio.providers.recorded_comfyui import RecordedComfy

SAMPLES = Path(__file__).parent / "samples" / "comfyui_odd"


def sample(name: str) -> Any:
    (path,) = SAMPLES.glob(f"{name}_*.json")
    return json.loads(path.read_text())


def history(name: str) -> ComfyJob:
    job = history_of("PROMPT_ID", sample(name))
    assert job is not None
    return job


def told(outputs: object, **status: object) -> ComfyJob:
    """A prompt of the history that has ended well with these outputs."""
    entry = {"outputs": outputs, "status": {"status_str": "success", **status}}
    job = history_of("PROMPT_ID", {"PROMPT_ID": entry})
    assert job is not None
    return job


FOUND: dict[str, tuple[str, str]] = {
    "h01": ("108", "longtake/take/1_00001_.mp4"),
    "h02": ("230", "longtake/take/1_00001.mp4"),
    "h03": ("230", "longtake/take/1_00001-audio.mp4"),
    "h04": ("108", "longtake/take/1_00001_.mp4"),
    "h05": ("108", "longtake/take/1_00001_.mp4"),
    "h07": ("108", "longtake/take/1_00001_.mp4"),
    "h09": ("108", "longtake/take/1_00001_.mp4"),
    "h12": ("108", "longtake\\take/1_00001_.mp4"),
    "h13": ("108", "日本/a b/fête 50% #1 & co+.mp4"),
    "h14": ("116:94", "longtake/take/1_00001_.mp4"),
    "h15": ("108", "longtake/take/1_00001_.mp4"),
    "h16": ("108", "longtake/take/1_00001_.mp4"),
    "h19": ("108", "longtake/take/1_00001_.mp4"),
    "h22": ("108", "../..//etc/passwd"),
}
NOT_FOUND: dict[str, tuple[str, type[StudioError], str]] = {
    "h08": ("230", OutputPreviewed, "only a preview"),
    "h10": ("108", OutputMissing, "saved no file"),
    "h11": ("108", OutputMissing, "saved no file"),
    "h21": ("108", BadClip, "animated WebP"),
}
ELSEWHERE = {"h17", "h18", "p01", "p02", "p03", "q01", "object"}


def test_the_clip_of_a_render_is_found_under_any_key_and_in_any_shape() -> None:
    for name, (node, path) in FOUND.items():
        job = history(name)
        assert job.state == "success", name
        for kind in (None, "video"):
            assert job.output(node, kind).path == path, name


def test_a_render_without_its_clip_says_what_there_is_instead() -> None:
    for name, (node, error, words) in NOT_FOUND.items():
        with pytest.raises(error, match=words):
            history(name).output(node, "video")


def test_every_sample_is_in_a_table_or_a_test() -> None:
    named = {path.name.partition("_")[0] for path in SAMPLES.glob("*.json")}
    assert named == {*FOUND, *NOT_FOUND, *ELSEWHERE}


def test_other_shapes_in_which_nodes_name_their_files() -> None:
    mp4 = {"filename": "a.mp4", "subfolder": "x", "type": "output"}
    for made in (
        {"video": mp4},
        {"video": [mp4]},
        {"result": {"videos": [[mp4]]}},
        {"images": [None, "x", 7, {"filename": None}, {"filename": "b.png", "type": "output"}, mp4]},
        {"images": [{"filename": "cover.webp", "type": "output"}], "gifs": [mp4]},
        {"images": [{**mp4, "type": "temp", "filename": "t.mp4"}, mp4]},
        {"a": [{"filename": "A.MP4", "subfolder": "x"}]},
    ):
        assert told({"8": made}).output("8", "video").filename.lower() == "a.mp4", made
    both = told({"8": {"images": [mp4, {"filename": "b.png", "type": "output"}]}})
    assert both.output("8", "image").filename == "b.png"
    assert both.output("8").filename == "a.mp4"
    assert [file.filename for file in both.saved("8", "video")] == ["a.mp4", "b.png"]


def test_a_file_named_inside_a_text_is_none() -> None:
    with pytest.raises(OutputMissing, match="it reported only text"):
        told({"8": {"text": ['{"filename": "secret.mp4", "type": "output"}']}}).output("8")


def test_a_batch_that_waits_for_frames_and_a_picture_instead_of_a_clip_are_told() -> None:
    with pytest.raises(OutputMissing, match="it waits for more frames"):
        told({"8": {"unfinished_batch": [True]}}).output("8")
    with pytest.raises(BadClip, match=r"saved a picture \(\.png\), no video"):
        told({"8": {"images": [{"filename": "a.png", "type": "output"}]}}).output("8", "video")
    for suffix, name in ((".gif", "GIF"), (".webp", "WebP")):
        with pytest.raises(BadClip, match=name):
            told({"8": {"images": [{"filename": f"a{suffix}", "type": "output"}]}}).output("8")


def test_a_prompt_without_a_status_is_judged_by_what_it_left() -> None:
    file = {"8": {"images": [{"filename": "a.mp4", "type": "output"}]}}
    silent: list[object] = [None, {}, [], "success?", {"status_str": None}, {"completed": True}]
    for status in silent:
        job = history_of("P", {"P": {"outputs": file, "status": status}})
        assert job is not None
        assert job.state == "success", status
    ended: list[tuple[object, str]] = [
        ({"status_str": "error"}, "failed"),
        ({"messages": [["execution_error", {"node_id": "8"}]]}, "failed"),
        ({"status_str": "error", "messages": [["execution_interrupted", {}]]}, "interrupted"),
        (None, "failed"),
    ]
    for status, state in ended:
        job = history_of("P", {"P": {"outputs": {}, "status": status}})
        assert job is not None
        assert job.state == state, status


def test_a_lack_of_memory_is_told_whatever_the_node_was_given() -> None:
    error = history("h17").error()
    assert type(error) is OutOfMemory
    assert "node 86 (KSamplerAdvanced)" in str(error)


def test_a_prompt_that_is_not_in_the_history_is_unknown() -> None:
    assert history_of("PROMPT_ID", sample("h18")) is None
    others: list[dict[str, Any]] = [
        {"PROMPT_ID": None},
        {"PROMPT_ID": []},
        {"PROMPT_ID": "x"},
        {"OTHER": {"outputs": {}}},
    ]
    for body in others:
        assert history_of("PROMPT_ID", body) is None


def test_a_queue_with_odd_entries_is_read_as_far_as_it_goes() -> None:
    queue = queue_of(sample("q01"))
    assert [queue.state_of(name) for name in "abcd"] == ["running", "running", "pending", None]
    assert [queue.ahead_of(name) for name in "abc"] == [0, 0, 2]
    assert queue_of({"queue_running": None, "queue_pending": {"0": [1, "x"]}}).idle


def test_a_refused_prompt_is_told_in_the_servers_words() -> None:
    for name, words in (
        ("p01", "Prompt has no outputs"),
        ("p02", "Prompt outputs failed validation"),
        ("p03", "missing the class_type property"),
    ):
        error = refusal(sample(name), {})
        assert type(error) is GraphRefused
        assert words in str(error), name
    for body in ({"node_errors": {"8": {"errors": "broken"}}}, {"node_errors": {"8": {"errors": ["broken", None, 7]}}}):
        assert "broken" in str(refusal(body, {}))


def not_in_list(value: str, extra: Mapping[str, object], details: str) -> dict[str, Any]:
    told = {"input_name": "unet_name", "received_value": value, **extra}
    error = {"type": "value_not_in_list", "message": "Value not in list", "details": details, "extra_info": told}
    return {"error": {"type": "x"}, "node_errors": {"1": {"errors": [error], "class_type": "UnetLoaderGGUF"}}}


def test_a_model_file_under_the_same_name_with_other_slashes_is_named() -> None:
    known = "Wan2.2/x.gguf"
    for value, extra, details in (
        ("Wan2.2\\x.gguf", {"input_config": [["a.gguf", known], {}]}, ""),
        ("Wan2.2\\x.gguf", {"input_config": ["COMBO", {"options": [known]}]}, ""),
        ("Wan2.2\\x.gguf", {}, f"unet_name: 'Wan2.2\\\\x.gguf' not in ['a.gguf', '{known}']"),
        ("wan2.2//X.gguf", {"input_config": [[known]]}, ""),
    ):
        error = refusal(not_in_list(value, extra, details), {})
        assert type(error) is ModelMissing
        assert f"the same file as {known}" in str(error), details
    other = refusal(not_in_list("y.gguf", {"input_config": [[known]]}, ""), {})
    assert "same file" not in str(other)
    windows = refusal(not_in_list("Wan2.2/x.gguf", {}, "unet_name: 'Wan2.2/x.gguf' not in ['Wan2.2\\\\x.gguf']"), {})
    assert "the same file as Wan2.2\\x.gguf" in str(windows)


def test_control_characters_of_a_server_stay_with_it() -> None:
    odd = "a\x00\x1b[2J\u202eb\ud800\n"
    job = told({"8": {"images": [{"filename": f"{odd}.mp4", "subfolder": odd, "type": "output"}]}})
    error = refusal({"node_errors": {odd: {"errors": [{"message": odd, "details": odd}], "class_type": odd}}}, {})
    bad = history_of(
        "P",
        {
            "P": {
                "status": {
                    "status_str": "error",
                    "messages": [
                        [
                            "execution_error",
                            {"node_id": odd, "node_type": odd, "exception_type": odd, "exception_message": odd},
                        ]
                    ],
                }
            }
        },
    )
    assert bad is not None
    for text in (job.output("8").path, str(error), str(bad.error())):
        assert not set(text) & set("\x00\x1b\u202e\ud800"), text
        text.encode()


# ── over HTTP ────────────────────────────────────────────────────────────


@pytest.fixture
async def server() -> AsyncIterator[RecordedComfy]:
    async with RecordedComfy() as recorded:
        yield recorded


@pytest.fixture
async def client(server: RecordedComfy) -> AsyncIterator[ComfyClient]:
    async with open_comfyui(url=server.url) as opened:
        yield opened


async def test_a_name_of_any_characters_is_asked_for_as_it_is(
    server: RecordedComfy, client: ComfyClient, tmp_path: Path
) -> None:
    server.answers["GET /view"] = (200, b"clip")
    for name in ("h12", "h13"):
        await client.fetch(history(name).output("108"), tmp_path / "clip.mp4")
    assert [request.query for request in server.seen] == [
        {"filename": "1_00001_.mp4", "subfolder": "longtake\\take", "type": "output"},
        {"filename": "fête 50% #1 & co+.mp4", "subfolder": "日本/a b", "type": "output"},
    ]


async def test_a_path_that_leads_outside_is_the_servers_to_refuse_and_is_written_nowhere(
    server: RecordedComfy, client: ComfyClient, tmp_path: Path
) -> None:
    output = history("h22").output("108")
    target = tmp_path / "work" / "clip.mp4"
    target.parent.mkdir()
    for status, error in ((403, Forbidden), (404, OutputMissing)):
        server.answers["GET /view"] = (status, b"")
        with pytest.raises(error, match=r"/etc/passwd"):
            await client.fetch(output, target)
    server.answers["GET /view"] = (200, b"clip")
    await client.fetch(output, target)
    assert sorted(os.listdir(tmp_path)) == ["work"]
    assert os.listdir(target.parent) == ["clip.mp4"]


async def test_a_file_is_looked_for_under_every_name_its_saver_gives(
    server: RecordedComfy, client: ComfyClient
) -> None:
    there: set[str] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/view":
            return httpx.Response(200 if request.url.params["filename"] in there else 404)
        return httpx.Response(200, json={"system": {}})

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(base_url="http://comfy.example", transport=transport) as http:
        comfy = ComfyClient(http)
        assert await comfy.find_output("longtake/take/1", ".mp4") is None
        for name in ("1_00001.mp4", "1_00001-audio.mp4", "1_00001_.mp4"):  # the better ones come later
            there.add(name)
            found = await comfy.find_output("longtake/take/1", ".mp4")
            assert found is not None
            assert found.path == f"longtake/take/{name}"


async def test_a_work_folder_that_cannot_be_written_is_told_as_that(
    server: RecordedComfy, client: ComfyClient, tmp_path: Path
) -> None:
    server.answers["GET /view"] = (200, b"clip")
    with pytest.raises(StorageUnavailable, match="work folder cannot be written: No such file"):
        await client.fetch(ComfyOutput("a.mp4"), tmp_path / "gone" / "clip.mp4")


def test_a_job_of_the_newer_route_is_read_as_tolerantly() -> None:
    mp4 = {"filename": "a.mp4", "type": "output"}
    job = job_of(
        {"id": 7, "status": "Completed", "outputs": {"8": {"video": mp4}}, "workflow": "x", "execution_status": 3}
    )
    assert (job.state, job.output("8").filename, job.graph) == ("success", "a.mp4", {})


async def test_a_list_of_nodes_is_handed_on_with_all_that_custom_nodes_put_into_it(
    server: RecordedComfy, client: ComfyClient
) -> None:
    server.answers["GET /object_info"] = (200, sample("object"))
    assert await client.object_info() == sample("object")
