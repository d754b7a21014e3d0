"""Graphs as people choose them: compared with real answers of a ComfyUI server, kept in real stores."""

import json
from pathlib import Path
from typing import Any

import pytest

from comfy_workflows.graph import GraphTemplate, load_graph, shipped_graphs
from simulators.comfyui import ComfySimulator
from studio.contracts.model import GenerationModel, ModelType, StyleType, VisualStyle
from studio.errors import InvalidRequest, MediaMissing
from studio.graphs import (
    add_graph,
    clip_model,
    offered_models,
    reach,
    read_graph,
    shipped,
    standing,
    standing_of_added,
    stored,
    video_style,
)
from studio.objects.store import ObjectStore, StorePlace, open_store
from studio.providers.comfyui import open_comfyui
from studio.store.models import ModelStore
from studio.store.pool import Database
from tests.comfy_workflows.conftest import own_clip_graph

LIGHTNING = "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors"


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_store(StorePlace(url=(tmp_path / "objects").as_uri()))


@pytest.fixture
def models(database: Database) -> ModelStore:
    return ModelStore(database)


def own(name: str = "mine", **changes: Any) -> GraphTemplate:
    """A user's own graph; `changes`: node → title."""
    graph = own_clip_graph()
    for node, title in changes.items():
        graph[node.removeprefix("n")]["_meta"] = {"title": title}
    return read_graph(json.dumps(graph).encode(), name, None)


async def schema(comfy: ComfySimulator) -> dict[str, Any]:
    async with open_comfyui(url=comfy.urls["api_url"]) as client:
        return await client.object_info()


# ── on a server ──────────────────────────────────────────────────────────


async def test_every_shipped_graph_runs_where_all_files_are(comfy: ComfySimulator) -> None:
    told = [standing(template, await schema(comfy)) for template in shipped()]
    assert {one.name: one.complaints for one in told if not one.runs} == {}
    assert all(not one.missing_for_fast for one in told)


async def test_a_missing_file_is_named_with_its_folder(comfy: ComfySimulator) -> None:
    comfy.configure(missing_models=["umt5_xxl_fp8_e4m3fn_scaled.safetensors"])
    told = standing(load_graph("wan22_i2v"), await schema(comfy))
    assert not told.runs
    assert told.missing_models == (("text_encoders", "umt5_xxl_fp8_e4m3fn_scaled.safetensors"),)
    assert "it belongs in models/text_encoders" in told.complaints[0]


async def test_what_only_the_fast_way_needs_is_told_apart(comfy: ComfySimulator) -> None:
    comfy.configure(missing_models=[LIGHTNING])
    told = standing(load_graph("wan22_i2v"), await schema(comfy))
    assert (told.runs, told.fast) == (True, False)
    assert told.missing_for_fast == (("loras", LIGHTNING),)


async def test_a_missing_node_is_named(comfy: ComfySimulator) -> None:
    comfy.configure(missing_nodes=["WanImageToVideo"])
    told = standing(load_graph("wan22_i2v"), await schema(comfy))
    assert told.missing_nodes == ("WanImageToVideo",)


async def test_of_the_fast_way_it_is_said_what_is_wrong_and_not_only_what_is_missing(comfy: ComfySimulator) -> None:
    server = await schema(comfy)
    files = server["LoraLoaderModelOnly"]["input"]["required"]["lora_name"]
    files[0] = [f"wan/{name}" for name in files[0]]
    told = standing(load_graph("wan22_i2v"), server)
    assert told.runs and not told.fast
    assert f"model file {LIGHTNING} is not on this server, but wan/{LIGHTNING} is" in told.complaints_for_fast[0]
    comfy.configure(missing_nodes=["LoraLoaderModelOnly"])
    told = standing(load_graph("wan22_i2v"), await schema(comfy))
    assert told.runs and not told.fast
    assert "this server has no node LoraLoaderModelOnly" in told.complaints_for_fast[0]


async def test_a_picture_that_is_on_no_server_is_remarked(comfy: ComfySimulator) -> None:
    template = own()
    image = {"image": "mask.png"}
    template.graph["200"] = {"class_type": "LoadImage", "inputs": image, "_meta": {"title": "mask"}}
    template.graph["98"]["inputs"]["clip_vision_output"] = ["200", 0]
    (remark,) = standing(template, await schema(comfy)).remarks
    assert remark.startswith(
        'node 200 "mask" (LoadImage): image mask.png is not among the files of this server: upload'
    )


# ── one's own ────────────────────────────────────────────────────────────


async def test_a_graph_that_was_added_is_a_model_and_is_found_again(models: ModelStore, objects: ObjectStore) -> None:
    template = own()
    model = await add_graph(template, models, objects)
    assert model in await models.models()
    assert (model.type, model.graph, model.default_steps, model.default_cfg) == (
        ModelType.IMAGE_TO_VIDEO,
        "mine",
        20,
        None,
    )
    assert model.graph_file is not None
    assert model.graph_file.key == f"graphs/mine/{model.graph_file.sha256[:16]}.json"
    assert await stored(model.graph_file, objects) == template


async def test_added_anew_it_is_replaced_and_the_older_file_stays(models: ModelStore, objects: ObjectStore) -> None:
    first = await add_graph(own(), models, objects)
    second = await add_graph(own(n94="in:fps"), models, objects)
    assert [model for model in await models.models() if model.id == "mine"] == [second]
    assert first.graph_file is not None and second.graph_file is not None
    assert first.graph_file.key != second.graph_file.key
    assert await stored(first.graph_file, objects) == own()


@pytest.mark.parametrize("name", ["wan22_i2v", "z_image_turbo", "hunyuan15_i2v"])
async def test_a_name_of_ours_is_not_taken_away(models: ModelStore, objects: ObjectStore, name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"name: {name} comes with Longtake"):
        await add_graph(own(name), models, objects)
    assert await objects.keys("graphs") == []


async def test_clips_of_words_alone_are_no_model(models: ModelStore, objects: ObjectStore) -> None:
    with pytest.raises(InvalidRequest, match="here a clip is made of a picture, in:image"):
        await add_graph(own(n97="start picture"), models, objects)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n98": "in:width"}, "mine cannot be told how long a clip is: title the node that has its frames in:length"),
        ({"n98": "in:length", "n96": "in:image2=unet_name"}, "mine takes 2 pictures, and a clip is made of one"),
    ],
)
async def test_a_graph_that_cannot_be_told_what_every_clip_is_told_is_refused(
    models: ModelStore, objects: ObjectStore, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        await add_graph(own(**changes), models, objects)
    assert await objects.keys("graphs") == []


async def test_a_graph_whose_frames_per_second_nobody_knows_is_refused(
    models: ModelStore, objects: ObjectStore
) -> None:
    graph = own_clip_graph()
    graph["94"]["inputs"]["fps"] = ["98", 0]
    with pytest.raises(InvalidRequest, match="mine does not say its frames per second: title the node"):
        await add_graph(read_graph(json.dumps(graph).encode(), "mine", None), models, objects)


def test_lengths_of_unknown_nodes_are_warned_of_where_no_server_was_asked() -> None:
    graph = own_clip_graph()
    assert reach(read_graph(json.dumps(graph).encode(), "mine", None), checked=False).warnings == ()
    graph["98"]["class_type"] = "MyImageToVideo"
    unknown = read_graph(json.dumps(graph).encode(), "mine", None)
    assert "no server was asked which lengths it makes" in reach(unknown, checked=False).warnings[0]
    assert reach(unknown, checked=True).warnings == ()


async def test_a_graph_whose_file_is_gone_says_so(
    models: ModelStore, objects: ObjectStore, comfy: ComfySimulator
) -> None:
    model = await add_graph(own(), models, objects)
    assert model.graph_file is not None
    assert (await standing_of_added(model, objects, await schema(comfy))).runs
    await objects.delete(model.graph_file.key)
    told = await standing_of_added(model, objects, await schema(comfy))
    assert not told.runs
    assert told.complaints == (f"{model.graph_file.key} is not in the object store",)
    with pytest.raises(MediaMissing):
        await stored(model.graph_file, objects)


# ── what is offered ──────────────────────────────────────────────────────


async def test_every_shipped_graph_that_a_model_can_be_is_offered(models: ModelStore, objects: ObjectStore) -> None:
    await add_graph(own(), models, objects)
    rows = await models.models()
    offered = offered_models(rows)
    assert offered[: len(rows)] == rows
    assert [model.id for model in offered[len(rows) :]] == ["hunyuan15_i2v", "wan22_fun_camera"]
    assert {model.id for model in offered_models([])} == {name for name in shipped_graphs() if name != "hunyuan15_t2v"}


async def test_a_row_says_that_a_shipped_graph_is_not_offered_any_more(models: ModelStore) -> None:
    (graph,) = [model for model in offered_models(await models.models()) if model.id == "wan22_fun_camera"]
    await models.put_model(graph.model_copy(update={"active": False}))
    with pytest.raises(InvalidRequest, match="model: wan22_fun_camera is not offered any more"):
        clip_model(await models.models(), "wan22_fun_camera", None)


# ── for a video ───────────────────────────────────────────────────────────


async def test_a_video_names_a_model_a_shipped_graph_or_nothing(models: ModelStore, objects: ObjectStore) -> None:
    added = await add_graph(own(), models, objects)
    offered = await models.models()
    assert clip_model(offered, "mine", None) == added
    assert clip_model(offered, "wan22_fun_camera", None).graph == "wan22_fun_camera"
    assert clip_model(offered, None, None).id == "wan22_i2v"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "model: nothing is no model; for video there are hunyuan15_i2v, wan22_fun_camera, wan22_i2v"),
        ("z_image_turbo", "model: z_image_turbo makes image, not video"),
        ("hunyuan15_t2v", "model: hunyuan15_t2v makes clips of words alone"),
    ],
)
async def test_what_makes_no_clips_of_stills_is_refused(models: ModelStore, name: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        clip_model(await models.models(), name, None)


async def test_a_style_is_found_by_name_or_id_and_goes_only_with_its_models(models: ModelStore) -> None:
    offered, styles = await models.models(), await models.styles()
    pixels = video_style(styles, "Pixel Art")
    assert pixels == video_style(styles, "pixel_art")
    with pytest.raises(InvalidRequest, match="style: Pixel art does not work with model wan22_i2v; it works with z_im"):
        clip_model(offered, "wan22_i2v", pixels)
    with pytest.raises(InvalidRequest, match="style: style Pixel art works with z_image_turbo, and none of these"):
        clip_model(offered, None, pixels)
    with pytest.raises(InvalidRequest, match="style: Baroque is no style; there are Cinematic, Pixel art, Watercolour"):
        video_style(styles, "Baroque")
    assert video_style(styles, None) is None


async def test_a_lora_style_gets_a_graph_that_takes_its_lora_where_nobody_chose_one(models: ModelStore) -> None:
    rows = await models.models()
    ink = VisualStyle(id="ink", name="Ink", type=StyleType.LORA, lora_file="ink.safetensors")
    assert clip_model(rows, None, ink).id == "hunyuan15_i2v"
    only_wan = ink.model_copy(update={"compatible_models": ("wan22_i2v",)})
    assert clip_model(rows, None, only_wan).id == "wan22_i2v"


async def test_a_model_that_is_not_offered_any_more_is_refused(models: ModelStore, objects: ObjectStore) -> None:
    model: GenerationModel = await add_graph(own(), models, objects)
    await models.put_model(model.model_copy(update={"active": False}))
    style: VisualStyle | None = None
    with pytest.raises(InvalidRequest, match="model: mine is not offered any more"):
        clip_model(await models.models(), "mine", style)
