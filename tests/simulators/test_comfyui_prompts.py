"""POST /prompt: the answers that were recorded of real servers, and where the generations differ."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from simulators.comfyui import ComfySimulator
from tests.simulators.comfy import ComfyCaller, changed, new_id, node, sampled, trivial, two_pass

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded" / "comfyui_refusals.json").read_text())
SCALED = {
    **trivial(),
    "3": node("ImageScale", image=["1", 0], upscale_method="magic", width=64, height=64, crop="disabled"),
}
PROMPTS: dict[str, Any] = {
    "empty_graph": {},
    "no_outputs": {"1": trivial()["1"]},
    "unknown_class": {**trivial(), "5": node("NoSuchNode")},
    "missing_class_type": {**trivial(), "5": {"inputs": {}}},
    "value_not_in_list": changed(SCALED, "9", images=["3", 0]),
    "required_missing": changed(trivial(), "9", filename_prefix=None),
    "too_big": changed(trivial(), "1", width=99999),
    "bad_type": changed(trivial(), "1", width="wide"),
    "link_type_mismatch": changed({**trivial(), "4": node("PrimitiveInt", value=3)}, "9", images=["4", 0]),
    "link_missing_node": changed(trivial(), "9", images=["77", 0]),
    "missing_image": {
        "1": node("LoadImage", image="nope.png"),
        "9": node("SaveImage", images=["1", 0], filename_prefix="x"),
    },
    "cycle": {
        "1": node("ImageInvert", image=["2", 0]),
        "2": node("ImageInvert", image=["1", 0]),
        "9": node("SaveImage", images=["1", 0], filename_prefix="x"),
    },
    "partial_two_outputs_one_bad": {**trivial(), "10": node("SaveImage", images=["1", 0])},
    "ui_format_graph": {"last_node_id": 9, "nodes": [{"id": 1, "type": "EmptyImage"}], "links": [], "version": 0.4},
}  # fmt: skip


@pytest.mark.parametrize("case", PROMPTS)
async def test_a_prompt_is_refused_in_the_recorded_words(artist: ComfyCaller, case: str) -> None:
    response = await artist.post(PROMPTS[case])
    assert response.status_code == RECORDED[case]["http"]
    if response.status_code == 500:
        assert response.text == RECORDED[case]["body"]
        return
    body = response.json()
    for key in ("prompt_id", "number"):
        body.pop(key, None)
    assert body == RECORDED[case]["body"]


async def test_a_body_without_a_prompt_is_refused_in_the_recorded_words(artist: ComfyCaller) -> None:
    response = await artist.http.post("/prompt", json={"client_id": "tester"})
    assert (response.status_code, response.json()) == (400, RECORDED["no_prompt"]["body"])


async def test_a_model_that_is_not_there_is_named_with_its_loader(start_comfy: Any) -> None:
    comfy = await start_comfy(models="none")
    async with ComfyCaller(comfy) as artist:
        graph = changed(sampled(), "28", unet_name="nope.safetensors")
        errors = (await artist.post(graph)).json()["node_errors"]
        recorded = RECORDED["missing_model"]["body"]["node_errors"]["1"]["errors"]
        assert errors["28"]["errors"][0]["details"] == recorded[0]["details"]
        assert errors["28"]["errors"][0]["type"] == "value_not_in_list"
        assert set(errors) == {"28", "29", "30"}
        assert (await artist.http.get("/models/diffusion_models")).json() == []
        comfy.configure(models=["z_image_turbo_bf16.safetensors", "qwen_3_4b.safetensors", "vae/mine.safetensors"])
        errors = (await artist.post(sampled())).json()["node_errors"]
        assert set(errors) == {"29"}
        assert (await artist.http.get("/models/vae")).json() == ["mine.safetensors"]
        await artist.submit(changed(sampled(), "29", vae_name="mine.safetensors"))
        comfy.configure(models="all", missing_models=["ae.safetensors"])
        assert set((await artist.post(sampled())).json()["node_errors"]) == {"29"}


@pytest.mark.parametrize("link", [[1, 0], ["1", "0"], ["1", 7], [["1"], 0]], ids=str)
async def test_a_link_that_leads_nowhere_is_an_exception_of_the_check(artist: ComfyCaller, link: list[Any]) -> None:
    """Ids are strings, and places of outputs are numbers."""
    response = await artist.post(changed(trivial(), "9", images=link))
    assert response.status_code == 400
    assert response.json()["node_errors"]["9"]["errors"][0]["type"] == "exception_during_validation"


def _batch(**images: Any) -> dict[str, Any]:
    graph = {**trivial(), "3": node("BatchImagesNode", **{f"images.{name}": link for name, link in images.items()})}
    return {**graph, "4": node("PrimitiveInt", value=3), "9": changed(graph, "9", images=["3", 0])["9"]}


def _video(**given: Any) -> dict[str, Any]:
    return changed(two_pass(), "108", codec=None, **given)


CRF: dict[str, Any] = {"format": "mp4", "format.codec": "h264", "format.codec.encoding": "re-encode"}


@pytest.mark.parametrize(
    ("graph", "kind", "details"),
    [
        (_batch(image0=["1", 0]), "required_input_missing", "image1"),
        (_batch(image0=["1", 0], image1=["4", 0]), "return_type_mismatch", "images.image1, received_type(INT)"),
        (_video(**CRF), "required_input_missing", "crf"),
        (_video(**CRF, **{"format.codec.encoding.crf": 99}), "value_bigger_than_max", "format.codec.encoding.crf"),
    ],
)
async def test_inputs_that_bring_further_ones_are_checked_with_them(
    artist: ComfyCaller, graph: Any, kind: str, details: str
) -> None:
    answer = (await artist.post(graph)).json()
    (errors,) = [told["errors"] for told in answer["node_errors"].values()]
    assert (errors[0]["type"], errors[0]["details"][: len(details)]) == (kind, details)


async def test_as_many_inputs_as_are_needed_may_be_given(artist: ComfyCaller) -> None:
    outputs = await artist.made(_batch(image0=["1", 0], image1=["2", 0], image5=["1", 0]))
    assert len(outputs["9"]["images"]) == 3


async def test_an_option_that_does_not_exist_passes_the_check_and_fails_at_run_time(artist: ComfyCaller) -> None:
    past = await artist.ended(await artist.submit(_video(format="gif")))
    about = past["status"]["messages"][-1][1]
    assert about["exception_type"] == "TypeError"
    assert about["exception_message"] == "SaveVideo.execute() missing 1 required positional argument: 'format'\n"


async def test_a_video_that_is_not_there_is_named(artist: ComfyCaller) -> None:
    graph = {
        "1": node("LoadVideo", file="nope.mp4"),
        "9": node("SaveVideo", video=["1", 0], filename_prefix="x", format="mp4"),
    }
    errors = (await artist.post(graph)).json()["node_errors"]["1"]["errors"]
    assert errors[0]["details"] == "file - Invalid video file: nope.mp4"


async def test_a_long_list_is_not_written_out(artist: ComfyCaller) -> None:
    errors = (await artist.post(changed(sampled(), "3", sampler_name="magic"))).json()["node_errors"]["3"]["errors"]
    assert "not in (list of length" in errors[0]["details"]
    assert errors[0]["extra_info"]["input_config"] is None


@pytest.mark.parametrize(
    "body",
    [
        b"{no json",
        json.dumps({"prompt": [trivial()]}).encode(),
        json.dumps({"prompt": "text"}).encode(),
        json.dumps({"prompt": {**trivial(), "1": {"class_type": "EmptyImage", "inputs": None}}}).encode(),
        json.dumps({"prompt": trivial(), "extra_data": "no"}).encode(),
        json.dumps({"prompt": trivial(), "number": "first"}).encode(),
    ],
)
async def test_a_malformed_body_is_a_500_and_queues_nothing(
    comfy: ComfySimulator, artist: ComfyCaller, body: bytes
) -> None:
    response = await artist.http.post("/prompt", content=body)
    assert (response.status_code, response.text) == (500, RECORDED["ui_format_graph"]["body"])
    assert comfy.ledger.accepted == 0


async def test_unknown_inputs_and_steps_are_not_looked_at(artist: ComfyCaller) -> None:
    await artist.submit(changed(two_pass(), "98", length=18, nonsense=1))


@pytest.mark.parametrize(
    "bad", ["14287861e9a24fe7b8a6ae533224bbc9", "B4F67574-1C1D-42DD-8189-FBD17E0E20B8", "", "job-1", 7, ["x"]]
)
async def test_the_new_generation_wants_a_canonical_uuid(artist: ComfyCaller, bad: Any) -> None:
    response = await artist.post(trivial(), prompt_id=bad)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_prompt_id")


async def test_the_new_generation_takes_an_id_of_ours_and_mints_one_for_null(artist: ComfyCaller) -> None:
    ours = str(uuid.uuid5(uuid.NAMESPACE_URL, "take/1"))
    assert await artist.submit(trivial(), prompt_id=ours) == ours
    assert uuid.UUID(await artist.submit(trivial(), prompt_id=None))


async def test_the_old_generation_takes_any_id_and_makes_a_word_of_null(old_artist: ComfyCaller) -> None:
    assert await old_artist.submit(trivial(), prompt_id="job-1") == "job-1"
    assert await old_artist.submit(trivial(), prompt_id=None) == "None"


async def test_the_old_generation_has_other_words_for_a_missing_node(old_artist: ComfyCaller) -> None:
    error = (await old_artist.post(PROMPTS["unknown_class"])).json()["error"]
    assert error["type"] == "invalid_prompt"
    assert error["message"] == "Cannot execute because node NoSuchNode does not exist."
    error = (await old_artist.post(PROMPTS["missing_class_type"])).json()["error"]
    assert (error["type"], error["details"]) == ("invalid_prompt", "Node ID '#5'")


async def test_the_old_generation_lacks_the_newer_nodes(old_artist: ComfyCaller, artist: ComfyCaller) -> None:
    old = (await old_artist.http.get("/object_info")).json()
    new = (await artist.http.get("/object_info")).json()
    assert {"ColorTransfer", "TextOverlay", "BatchImagesNode", "Flux2Scheduler"} <= new.keys() - old.keys()
    assert "flux2" in new["CLIPLoader"]["input"]["required"]["type"][0]
    assert "flux2" not in old["CLIPLoader"]["input"]["required"]["type"][0]
    assert (await old_artist.http.get("/object_info/TextOverlay")).json() == {}
    assert (await old_artist.post(two_pass())).status_code == 200


async def test_each_generation_tells_its_version(artist: ComfyCaller, old_artist: ComfyCaller) -> None:
    new = (await artist.http.get("/system_stats")).json()
    old = (await old_artist.http.get("/api/system_stats")).json()
    assert (new["system"]["comfyui_version"], old["system"]["comfyui_version"]) == ("0.33.0", "0.3.64")
    assert new["devices"][0]["vram_total"] >= new["devices"][0]["vram_free"] > 0


async def test_a_missing_node_pack_is_missing_everywhere(start_comfy: Any) -> None:
    async with ComfyCaller(await start_comfy(missing_nodes=["ImageAddNoise"])) as artist:
        error = (await artist.post(trivial())).json()["error"]
        assert (error["type"], error["extra_info"]["class_type"]) == ("missing_node_type", "ImageAddNoise")


async def test_the_same_number_and_id_twice_is_a_500_and_queued_nevertheless(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.add_foreign_prompt(seconds=600)
    prompt_id = new_id()
    await artist.submit(trivial(), prompt_id=prompt_id, number=5)
    assert (await artist.post(trivial(), prompt_id=prompt_id, number=5)).status_code == 500
    assert (await artist.queue())[1] == [prompt_id, prompt_id]


async def test_the_counter_grows_on_refused_prompts_too(artist: ComfyCaller) -> None:
    first = (await artist.post(trivial())).json()["number"]
    await artist.post({})
    assert (await artist.post(trivial(2))).json()["number"] == first + 2


async def test_only_the_targets_of_a_partial_execution_run(artist: ComfyCaller) -> None:
    graph = {**trivial(), "10": node("SaveImage", images=["1", 0], filename_prefix="jobs/other")}
    assert set(await artist.made(graph, partial_execution_targets=["10"])) == {"10"}


async def test_a_page_of_another_origin_is_turned_away(artist: ComfyCaller) -> None:
    assert (await artist.http.get("/queue", headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await artist.http.get("/queue", headers={"Origin": artist.url})).status_code == 200
