"""What a person reads when ComfyUI cannot do something: one test per error, over real HTTP, with recorded answers."""

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from studio.errors import (
    ComfyError,
    ExecutionFailed,
    GraphRefused,
    InvalidValue,
    ModelMissing,
    NodeMissing,
    OutOfMemory,
    OutputMissing,
    RenderInterrupted,
    ServerBusy,
    ServerFileTrouble,
    ServerGone,
)
from studio.providers.comfyui import ComfyClient, open_comfyui
from tests.studio.providers.recorded_comfyui import (
    FAILED,
    INTERRUPTED,
    OLD,
    TAKEN,
    RecordedComfy,
    sample,
)

NOBODY = "http://127.0.0.1:9"
"""Where nobody listens."""


def node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    named = {"_meta": {"title": title}} if title else {}
    return {"class_type": class_type, "inputs": inputs, **named}


GRAPH = {
    "1": node("UNETLoader", unet_name="nope.safetensors"),
    "3": node("ImageScale", "resize", upscale_method="magic"),
    "5": node("NoSuchNode", "concat"),
    "9": node("SaveImage", filename_prefix="longtake/t/1"),
}


@pytest.fixture
async def server() -> AsyncIterator[RecordedComfy]:
    async with RecordedComfy() as recorded:
        yield recorded


@pytest.fixture
async def client(server: RecordedComfy) -> AsyncIterator[ComfyClient]:
    async with open_comfyui(url=server.url) as opened:
        yield opened


async def refused(server: RecordedComfy, client: ComfyClient, body: Any, status: int = 400) -> ComfyError:
    server.answers["POST /prompt"] = (status, body)
    with pytest.raises(ComfyError) as error:
        await client.submit(GRAPH, prompt_id=TAKEN, client_id="c1")
    return error.value


async def recorded(server: RecordedComfy, client: ComfyClient, name: str) -> ComfyError:
    told = sample("prompt_errors.json")[name]
    return await refused(server, client, told["body"], told["http"])


async def failed(server: RecordedComfy, client: ComfyClient, **trouble: Any) -> ComfyError:
    """The failed prompt of the samples, with another exception, where one is given."""
    job = sample("job_error.json")
    job["execution_error"] |= trouble
    server.answers[f"GET /api/jobs/{FAILED}"] = (200, job)
    found = await client.look_up(FAILED)
    assert found is not None
    return found.error()


# ── a graph that is not taken ────────────────────────────────────────────


async def test_a_missing_model_file_is_named_with_the_folder_it_belongs_in(
    server: RecordedComfy, client: ComfyClient
) -> None:
    body = copy.deepcopy(sample("prompt_errors.json")["missing_model"]["body"])
    error = body["node_errors"]["1"]["errors"][0]
    error["extra_info"]["received_value"] = "wan2.2_i2v_high.safetensors"
    missing = await refused(server, client, body)
    assert type(missing) is ModelMissing
    assert str(missing) == (
        "Model file wan2.2_i2v_high.safetensors is missing on this ComfyUI server; "
        "it belongs in models/diffusion_models"
    )
    assert not missing.retryable


def _not_in_list(class_type: str, name: str, value: str) -> dict[str, Any]:
    extra = {"input_name": name, "input_config": [[], {}], "received_value": value}
    error = {"type": "value_not_in_list", "message": "Value not in list", "details": "…", "extra_info": extra}
    return {"errors": [error], "dependent_outputs": ["9"], "class_type": class_type}


@pytest.mark.parametrize(
    ("class_type", "name", "folder"),
    [
        ("CheckpointLoaderSimple", "ckpt_name", "checkpoints"),
        ("CLIPLoader", "clip_name", "text_encoders"),
        ("DualCLIPLoader", "clip_name2", "text_encoders"),
        ("CLIPVisionLoader", "clip_name", "clip_vision"),
        ("LoraLoaderModelOnly", "lora_name", "loras"),
        ("UNETLoader", "unet_name", "diffusion_models"),
        ("VAELoader", "vae_name", "vae"),
    ],
)
async def test_every_loader_has_a_folder_of_its_own(
    server: RecordedComfy, client: ComfyClient, class_type: str, name: str, folder: str
) -> None:
    body = {"error": {"type": "x"}, "node_errors": {"1": _not_in_list(class_type, name, "a.safetensors")}}
    assert str(await refused(server, client, body)).endswith(
        f"a.safetensors is missing on this ComfyUI server; it belongs in models/{folder}"
    )


async def test_all_missing_model_files_are_named_at_once(server: RecordedComfy, client: ComfyClient) -> None:
    nodes = {
        "3": _not_in_list("ImageScale", "upscale_method", "magic"),
        "10": _not_in_list("LoraLoaderModelOnly", "lora_name", "high.safetensors"),
        "11": _not_in_list("LoraLoaderModelOnly", "lora_name", "low.safetensors"),
        "12": _not_in_list("SomebodysLoader", "model", "theirs.gguf"),
    }
    missing = await refused(server, client, {"error": {"type": "x"}, "node_errors": nodes})
    assert type(missing) is ModelMissing
    assert str(missing) == (
        "Model file high.safetensors is missing on this ComfyUI server; it belongs in models/loras; "
        "Model file low.safetensors is missing on this ComfyUI server; it belongs in models/loras; "
        "Model file theirs.gguf is missing on this ComfyUI server; "
        "it belongs where node 12 (SomebodysLoader) looks for its model"
    )


async def test_a_missing_node_is_named_with_its_place_in_the_graph(server: RecordedComfy, client: ComfyClient) -> None:
    missing = await recorded(server, client, "unknown_class")
    assert type(missing) is NodeMissing
    assert str(missing) == (
        'Node NoSuchNode (node 5 "concat") is not installed on this ComfyUI server; '
        "update ComfyUI or install the custom node that brings it"
    )
    assert not missing.retryable


async def test_an_old_server_s_missing_node_reads_the_same(server: RecordedComfy, client: ComfyClient) -> None:
    error = {
        "type": "invalid_prompt",
        "message": "Cannot execute because node NoSuchNode does not exist.",
        "details": "Node ID '#5'",
        "extra_info": {},
    }
    old = await refused(server, client, {"error": error, "node_errors": {}})
    assert type(old) is NodeMissing
    assert str(old) == str(await recorded(server, client, "unknown_class"))


INVALID = [
    (
        "value_not_in_list",
        "node 3 \"resize\" (ImageScale): upscale_method: 'magic' not in "
        "['nearest-exact', 'bilinear', 'area', 'bicubic', 'lanczos']",
    ),
    ("required_missing", "node 9 (SaveImage): filename_prefix: Required input is missing"),
    ("too_big", "node 1 (EmptyImage): width: Value 99999 bigger than max of 16384"),
    (
        "bad_type",
        "node 1 (EmptyImage): Failed to convert an input value to a INT value: "
        "width, wide, invalid literal for int() with base 10: 'wide'",
    ),
    (
        "link_type_mismatch",
        "node 9 (SaveImage): Return type mismatch between linked nodes: "
        "images, received_type(INT) mismatch input_type(IMAGE)",
    ),
    ("link_missing_node", "node 9 (SaveImage): Exception when validating node: '77'"),
    ("missing_image", "node 1 (LoadImage): image - Invalid image file: nope.png"),
]


@pytest.mark.parametrize(("name", "words"), INVALID)
async def test_an_invalid_value_is_named_with_its_node_and_its_input(
    server: RecordedComfy, client: ComfyClient, name: str, words: str
) -> None:
    invalid = await recorded(server, client, name)
    assert type(invalid) is InvalidValue
    assert str(invalid) == f"ComfyUI does not take the graph: {words}"
    assert not invalid.retryable


REFUSED = [
    ("no_prompt", "No prompt provided"),
    ("empty_graph", "Prompt has no outputs"),
    ("no_outputs", "Prompt has no outputs"),
    ("cycle", "Dependency cycle detected: 1 (ImageInvert) -> 2 (ImageInvert) -> 1 (ImageInvert)"),
]


@pytest.mark.parametrize(("name", "words"), REFUSED)
async def test_a_graph_that_makes_no_sense_is_refused_with_the_server_s_words(
    server: RecordedComfy, client: ComfyClient, name: str, words: str
) -> None:
    told = await recorded(server, client, name)
    assert type(told) is GraphRefused
    assert str(told) == f"ComfyUI does not take the graph: {words}"
    assert not told.retryable


# ── a prompt that ends badly ─────────────────────────────────────────────


async def test_a_failed_node_is_named_as_a_person_finds_it_in_the_graph(
    server: RecordedComfy, client: ComfyClient
) -> None:
    error = await failed(server, client)
    assert type(error) is ExecutionFailed
    assert str(error) == 'ComfyUI failed at node 3 "boom" (ComfyMathExpression): ZeroDivisionError: division by zero'
    assert not error.retryable


async def test_an_old_server_s_failure_reads_the_same(server: RecordedComfy, client: ComfyClient) -> None:
    new = await failed(server, client)
    server.answers["GET /queue"] = (200, {"queue_running": [], "queue_pending": []})
    server.answers[f"GET /history/{FAILED}"] = (200, {FAILED: sample("history_error.json")})
    server.version = OLD
    async with open_comfyui(url=server.url) as elsewhere:
        old = await elsewhere.look_up(FAILED)
    assert old is not None
    assert (type(old.error()), str(old.error())) == (type(new), str(new))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("torch.OutOfMemoryError", "Allocation on device 0 would exceed allowed memory. (out of memory)"),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 GiB."),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 68 GB"),
        ("MemoryError", "Unable to allocate 3.1 GiB"),
    ],
)
async def test_out_of_memory_may_go_better_elsewhere(
    server: RecordedComfy, client: ComfyClient, kind: str, words: str
) -> None:
    error = await failed(server, client, exception_type=kind, exception_message=words + "\n")
    assert type(error) is OutOfMemory
    assert str(error) == f'The ComfyUI server ran out of memory at node 3 "boom" (ComfyMathExpression): {words}'
    assert error.retryable


async def test_out_of_memory_is_found_at_the_end_of_a_long_message(server: RecordedComfy, client: ComfyClient) -> None:
    words = f"{'Tensor sizes: ' * 40}\nThis error means you ran out of memory on your GPU."
    error = await failed(server, client, exception_type="RuntimeError", exception_message=words)
    assert type(error) is OutOfMemory


async def test_a_damaged_model_file_is_named_and_another_server_may_have_a_good_one(
    server: RecordedComfy, client: ComfyClient
) -> None:
    inputs = {"unet_name": ["wan/high.safetensors"], "weight_dtype": ["default"], "model": ["<ModelPatcher>"]}
    for kind, words in (
        ("safetensors_rust.SafetensorError", "Error while deserializing header: header too small"),
        ("SafetensorError", "Error while deserializing header: incomplete metadata, file not fully covered"),
        ("ValueError", "HeaderTooLarge\n\nFile path: ?\n\nThe safetensors file is corrupt or invalid."),
        ("_pickle.UnpicklingError", "invalid load key, '<'."),
        ("RuntimeError", "PytorchStreamReader failed reading zip archive: failed finding central directory"),
        ("EOFError", "Ran out of input"),
        ("ValueError", "GGUF magic invalid"),
    ):
        error = await failed(
            server, client, exception_type=kind, exception_message=words, node_type="UNETLoader", current_inputs=inputs
        )
        assert type(error) is ModelMissing, words
        assert isinstance(error, GraphRefused)
        assert str(error).startswith(
            "Model file wan/high.safetensors is damaged or not complete on this ComfyUI server, at node 3 "
        )
        assert "download it again" in str(error)
    nameless = await failed(
        server, client, exception_type="EOFError", exception_message="Ran out of input", current_inputs={"a": [1]}
    )
    assert type(nameless) is ExecutionFailed


async def test_a_full_disk_may_go_better_elsewhere(server: RecordedComfy, client: ComfyClient) -> None:
    words = "[Errno 28] No space left on device"
    error = await failed(server, client, exception_type="OSError", exception_message=words)
    assert type(error) is ServerFileTrouble
    assert str(error) == (
        'The ComfyUI server could not read or write a file at node 3 "boom" (ComfyMathExpression): '
        "OSError: [Errno 28] No space left on device"
    )
    assert error.retryable


async def test_a_person_who_interrupts_a_render_means_it(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"GET /api/jobs/{INTERRUPTED}"] = (200, sample("job_cancelled.json"))
    job = await client.look_up(INTERRUPTED)
    assert job is not None
    error = job.error()
    assert type(error) is RenderInterrupted
    assert str(error) == 'Somebody interrupted the render on the ComfyUI server at node 6 "slow" (ColorTransfer)'
    assert not error.retryable


async def test_a_failure_without_words_is_one(server: RecordedComfy, client: ComfyClient) -> None:
    server.answers[f"GET /api/jobs/{FAILED}"] = (200, {"id": FAILED, "status": "failed"})
    job = await client.look_up(FAILED)
    assert job is not None
    assert str(job.error()) == "ComfyUI failed at node ?: no reason given"


# ── servers ──────────────────────────────────────────────────────────────


async def test_a_server_that_is_gone_may_come_back() -> None:
    async with open_comfyui(url=NOBODY) as client:
        with pytest.raises(ServerGone) as gone:
            await client.queue()
    assert str(gone.value) == "ComfyUI cannot be reached (ConnectError)"
    assert gone.value.retryable


async def test_a_server_that_hangs_is_gone(server: RecordedComfy) -> None:
    async with RecordedComfy() as hanging, open_comfyui(url=hanging.url, patience=0.05) as client:
        hanging.answers["GET /queue"] = "hang"
        with pytest.raises(ServerGone, match="did not answer"):
            await client.queue()


def test_waiting_for_others_is_no_failure_but_has_an_end() -> None:
    busy = ServerBusy.waited(timedelta(minutes=30), ahead=3)
    assert str(busy) == "This ComfyUI server was busy for 30 minutes; 3 other prompts are still before ours"
    assert str(ServerBusy.waited(timedelta(minutes=30), ahead=1)).endswith("1 other prompt is still before ours")
    assert busy.retryable


@pytest.mark.parametrize(
    ("changed", "words", "again"),
    [
        ({"type": "temp"}, "made only a preview, no file: switch its save_output on", False),
        ({"filename": ""}, "saved no file: it reported only images", True),
    ],
    ids=["a preview", "no file"],
)
async def test_a_prompt_that_succeeded_without_its_file_is_made_again_unless_its_graph_makes_only_previews(
    server: RecordedComfy, client: ComfyClient, changed: dict[str, str], words: str, again: bool
) -> None:
    told = sample("history_success.json")
    told["outputs"]["9"]["images"][0] |= changed
    server.version = OLD
    server.answers["GET /queue"] = (200, {"queue_running": [], "queue_pending": []})
    server.answers[f"GET /history/{TAKEN}"] = (200, {TAKEN: told})
    job = await client.look_up(TAKEN)
    assert job is not None
    with pytest.raises(OutputMissing) as missing:
        job.output("9")
    assert str(missing.value) == f"ComfyUI finished, but node 9 (SaveImage) {words}"
    assert missing.value.retryable is again


def test_every_recorded_refusal_is_read_by_a_test() -> None:
    read = {name for name, _ in (*INVALID, *REFUSED)} | {"missing_model", "unknown_class"}
    elsewhere = {"partial_two_outputs_one_bad", "ui_format_graph", "missing_class_type"}
    assert sample("prompt_errors.json").keys() == read | elsewhere


async def test_a_node_without_a_class_is_told_in_the_server_s_words(server: RecordedComfy, client: ComfyClient) -> None:
    error = sample("prompt_errors.json")["missing_class_type"]["body"]["error"]
    error["details"] = "Node ID '#77'"
    error["extra_info"]["node_id"] = "77"
    told = await refused(server, client, {"error": error, "node_errors": {}})
    assert type(told) is GraphRefused
    assert "Node 'ID #5' has no class_type" in str(told)
