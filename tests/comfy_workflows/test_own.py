"""A user's own graph is read by the titles of its nodes."""

import json
from typing import Any

import pytest

from comfy_workflows.check import check_graph
from comfy_workflows.declaration import GraphType, ParameterName
from comfy_workflows.graph import BoundGraph, GraphTemplate
from comfy_workflows.known_nodes import KNOWN
from comfy_workflows.own import read_own_graph
from comfy_workflows.schema import inputs_of
from studio.contracts.render import GraphParameters, Lora
from studio.errors import InvalidRequest
from tests.comfy_workflows.conftest import accepted

Graph = dict[str, Any]


def titled(file: str, **titles: str) -> Graph:
    """An accepted graph with other titles; every other title is gone."""
    graph = accepted(file)
    for node, content in graph.items():
        content["_meta"] = {"title": titles.get(f"n{node}", content["class_type"])}
    return graph


def read(graph: object, **options: Any) -> GraphTemplate:
    return read_own_graph(json.dumps(graph), name="mine", **options)


def bind(template: GraphTemplate, *, images: tuple[str, ...] = (), **asked: Any) -> BoundGraph:
    parameters = GraphParameters.model_validate({"prompt": "a cat", "seed": 7} | asked)
    return template.bind(parameters, images=images, prefix="longtake/mine/1")


@pytest.fixture
def clip() -> Graph:
    """A two-pass clip graph with every marker."""
    return titled(
        "wan22_i2v",
        n97="start picture in:image",
        n93="in:prompt",
        n89="in:negative",
        n98="Size in:width in:height in:length",
        n86="High in:seed in:steps in:cfg in:split=end_at_step",
        n85="Low in:steps in:cfg in:split=start_at_step",
        n94="in:fps",
        n108="out:video",
    )


def test_a_titled_graph_becomes_one_like_the_shipped(clip: Graph, object_info: Graph) -> None:
    template = read(clip, object_info=object_info)
    bound = bind(template, images=("x.png",), negative="dogs", width=500, frames=80, steps=9, cfg=2, fps=24)
    assert check_graph(bound.graph, object_info) == []
    high, low = bound.graph["86"]["inputs"], bound.graph["85"]["inputs"]
    assert (high["noise_seed"], high["steps"], high["cfg"], high["end_at_step"]) == (7, 9, 2, 4)
    assert (low["steps"], low["cfg"], low["start_at_step"]) == (9, 2, 4)
    assert (bound.width, bound.height, bound.frames, bound.fps) == (512, 640, 81, 24)
    assert bound.graph["93"]["inputs"]["text"] == "a cat"
    assert bound.graph["89"]["inputs"]["text"] == "dogs"
    assert bound.graph["97"]["inputs"]["image"] == "x.png"
    assert bound.graph["108"]["inputs"]["filename_prefix"] == "longtake/mine/1"
    assert (bound.output_node, bound.kind, template.declaration.type) == ("108", "video", GraphType.IMAGE_TO_VIDEO)
    assert bound.notes[:2] == ("fps 24 instead of 16: motion 1.5 times as fast", "width 500 → 512 (a multiple of 16)")


def test_the_servers_schema_gives_ranges_and_steps(clip: Graph, object_info: Graph) -> None:
    template = read(clip, object_info=object_info)
    by_name = {parameter.name.value: parameter for parameter in template.declaration.parameters}
    assert (by_name["length"].least, by_name["length"].most, by_name["length"].rule) == (1, 16_384, "4n+1")
    assert by_name["width"].rule == "a multiple of 16"
    assert (by_name["seed"].most, by_name["seed"].rule) == (2**64 - 1, "")


@pytest.mark.parametrize(
    ("range_of", "asked", "message"),
    [
        ({"min": 1.0, "max": 60.0}, 72, "mine: fps 72 is not between 1 and 60"),
        ({"max": 60.0}, 72, "mine: fps 72 is not at most 60"),
        ({"min": 12.5}, 12, "mine: fps 12 is not at least 12.5"),
    ],
)
def test_a_value_out_of_the_servers_range_is_refused(
    clip: Graph, object_info: Graph, range_of: Graph, asked: float, message: str
) -> None:
    object_info["CreateVideo"]["input"]["required"]["fps"][1] = range_of
    with pytest.raises(InvalidRequest, match=message):
        bind(read(clip, object_info=object_info), images=("x.png",), fps=asked)


def test_without_a_schema_the_steps_of_known_nodes_count(clip: Graph, object_info: Graph) -> None:
    bound = bind(read(clip), images=("x.png",), width=500, frames=80)
    assert (bound.width, bound.frames) == (512, 81)
    assert bound.notes == ("width 500 → 512 (a multiple of 16)", "length 80 → 81 (4n+1)")
    shared = [name for name in KNOWN if name in object_info]
    assert len(shared) == 6
    for name in shared:
        said, known = (inputs_of(schema[name], {}) for schema in (object_info, KNOWN))
        for spec in known.values():
            for option in ("min", "max", "step"):
                assert spec.number(option) == said[spec.name].number(option), (name, spec.name, option)


def test_without_a_schema_values_of_unknown_nodes_are_taken_as_they_come(clip: Graph) -> None:
    clip["98"]["class_type"] = "MyImageToVideo"
    bound = bind(read(clip), images=("x.png",), width=500, frames=80)
    assert (bound.width, bound.frames, bound.notes) == (500, 80, ())


def test_a_marker_on_a_number_has_the_steps_of_the_inputs_that_get_it(clip: Graph, object_info: Graph) -> None:
    clip["98"]["_meta"]["title"] = "Size"
    for node, name in (("200", "width"), ("201", "length")):
        value = clip["98"]["inputs"][name]
        clip[node] = {"class_type": "PrimitiveInt", "inputs": {"value": value}, "_meta": {"title": f"in:{name}"}}
        clip["98"]["inputs"][name] = [node, 0]
    for schema in (object_info, None):
        template = read(clip, object_info=schema)
        bound = bind(template, images=("x.png",), width=500, frames=80)
        assert (bound.graph["200"]["inputs"]["value"], bound.graph["201"]["inputs"]["value"]) == (512, 81)
        length = template.declaration.parameter(ParameterName.LENGTH)
        assert length is not None
        assert (length.least, length.most, length.rule) == (1, 16_384, "4n+1")


def test_a_length_that_an_unknown_node_computes_is_refused(clip: Graph, object_info: Graph) -> None:
    clip["98"]["_meta"]["title"] = "Size"
    inputs = {"value": 20, "times": 4, "plus": 1}
    clip["200"] = {"class_type": "Sum", "inputs": inputs, "_meta": {"title": "in:length"}}
    clip["98"]["inputs"]["length"] = ["200", 0]
    with pytest.raises(InvalidRequest, match=r"reaches the length only through node 200 .* is not known here"):
        read(clip, object_info=object_info)


@pytest.mark.parametrize(
    ("range_of", "seed", "said"),
    [
        ({"min": 0, "max": 2**31 - 1}, 2**52 - 1, 2**31 - 1),
        ({"min": 1, "max": 10}, 10, 10),
        ({"min": 1, "max": 10}, 11, 1),
        ({"min": 1, "max": 10}, 0, 10),
        ({"min": -1, "max": 9}, 10, 0),
        ({"min": 0, "max": 2**64 - 1}, 2**63 - 1, 2**63 - 1),
        ({}, 2**52, 2**52),
    ],
)
def test_a_seed_is_folded_into_the_range_of_its_input(
    clip: Graph, object_info: Graph, range_of: Graph, seed: int, said: int
) -> None:
    object_info["KSamplerAdvanced"]["input"]["required"]["noise_seed"][1] = range_of
    bound = bind(read(clip, object_info=object_info), images=("x.png",), seed=seed)
    assert bound.graph["86"]["inputs"]["noise_seed"] == said
    assert bound.notes == ()


@pytest.mark.parametrize(("marker", "name", "value"), [("cfg", "cfg", 1.0), ("steps", "steps", 8)])
def test_places_with_different_values_have_no_value_of_the_file_to_keep(
    clip: Graph, marker: str, name: str, value: float
) -> None:
    clip["85"]["inputs"][name] = value
    own = clip["86"]["inputs"][name]
    with pytest.raises(InvalidRequest) as refused:
        read(clip)
    assert str(refused.value) == (
        f"in:{marker}: {name} of node 86 is {own!r}, {name} of node 85 is {value!r}: "
        "give both the same value, or mark only one of them"
    )


def test_the_seeds_of_two_passes_may_differ_for_neither_stays(clip: Graph) -> None:
    clip["85"]["_meta"]["title"] += " in:seed"
    clip["85"]["inputs"]["noise_seed"] = clip["86"]["inputs"]["noise_seed"] + 1
    bound = bind(read(clip), images=("x.png",))
    assert [bound.graph[node]["inputs"]["noise_seed"] for node in ("86", "85")] == [7, 7]


def test_the_second_pass_begins_where_the_file_says_unless_other_steps_are_asked_for(clip: Graph) -> None:
    clip["86"]["inputs"]["end_at_step"] = clip["85"]["inputs"]["start_at_step"] = 8
    template = read(clip)
    for steps, split in ((None, 8), (20, 8), (10, 5)):
        bound = bind(template, images=("x.png",), steps=steps)
        assert bound.graph["86"]["inputs"]["end_at_step"] == bound.graph["85"]["inputs"]["start_at_step"] == split
        assert bound.notes == ()


@pytest.mark.parametrize("asked", [{"seconds": 10}, {"frames": 81}])
def test_a_length_is_refused_where_the_graph_cannot_be_told(clip: Graph, asked: Graph) -> None:
    clip["98"]["_meta"]["title"] = "Size"
    template = read(clip)
    assert bind(template, images=("x.png",)).frames is None
    with pytest.raises(InvalidRequest, match="mine cannot be told how long a clip is: mark its frames with in:length"):
        bind(template, images=("x.png",), **asked)


def test_other_frames_per_second_are_left_out_and_change_no_length(clip: Graph) -> None:
    clip["94"]["_meta"]["title"] = "Create Video"
    template = read(clip)
    bound = bind(template, images=("x.png",), seconds=5, fps=24)
    assert (bound.frames, bound.fps) == (81, 16)
    assert "fps left out: mine has none" in bound.notes
    assert bind(template, images=("x.png",), frames=81, fps=16).notes == ()


def test_the_same_picture_may_be_loaded_by_several_nodes(clip: Graph, object_info: Graph) -> None:
    clip["200"] = {"class_type": "LoadImage", "inputs": {"image": "b.png"}, "_meta": {"title": "in:image"}}
    clip["98"]["inputs"]["clip_vision_output"] = ["201", 0]
    encode = {"clip_vision": ["202", 0], "image": ["200", 0], "crop": "center"}
    clip["201"] = {"class_type": "CLIPVisionEncode", "inputs": encode, "_meta": {"title": ""}}
    load = {"clip_name": "sigclip_vision_patch14_384.safetensors"}
    clip["202"] = {"class_type": "CLIPVisionLoader", "inputs": load, "_meta": {"title": ""}}
    bound = bind(read(clip, object_info=object_info), images=("x.png",))
    assert check_graph(bound.graph, object_info) == []
    assert "200" not in bound.graph
    assert bound.graph["201"]["inputs"]["image"] == ["97", 0]
    clip["200"]["class_type"] = "LoadImageMask"
    with pytest.raises(InvalidRequest, match="load the same picture: mark one of them"):
        read(clip)


@pytest.mark.parametrize("title", ["in: prompt", "in :prompt", "IN : Prompt.", "the words (in:prompt)", "in:prompt, x"])
def test_markers_are_found_as_people_write_them(clip: Graph, title: str) -> None:
    clip["93"]["_meta"]["title"] = title
    assert read(clip).declaration.parameter(ParameterName.PROMPT)


def test_words_after_a_colon_and_a_space_are_words(clip: Graph) -> None:
    clip["104"]["_meta"]["title"] = "Zoom in: slowly, then out : again"
    assert read(clip).declaration == read(clip | {"104": clip["104"] | {"_meta": {}}}).declaration


def test_an_input_with_dots_in_its_name_can_be_marked(clip: Graph) -> None:
    clip["108"]["inputs"]["format.codec.encoding.crf"] = 18
    clip["108"]["_meta"]["title"] = "out:video in:steps=format.codec.encoding.crf."
    clip["86"]["_meta"]["title"] = clip["85"]["_meta"]["title"] = ""
    place = read(clip).declaration.parameter(ParameterName.STEPS)
    assert place is not None
    assert place.places[0].input == "format.codec.encoding.crf"


@pytest.mark.parametrize(
    ("class_type", "inputs", "title", "message"),
    [
        ("SaveImage", {}, "out:video", "saves pictures: title it out:image, or take CreateVideo and SaveVideo"),
        ("SaveVideo", {}, "out:image", "saves a clip: title it out:video, or take SaveImage"),
        ("SaveAnimatedWEBP", {}, "out:video", "saves WebP, which cannot be used here: take CreateVideo and SaveVideo"),
        ("SaveWEBM", {}, "out:video", "saves WebM"),
        ("SaveVideo", {"codec": "av1"}, "out:video", "codec is 'av1'; a clip is MP4 with H.264, choose 'h264'"),
        ("SaveVideo", {"format.codec": "av1"}, "out:video", "format.codec is 'av1'"),
        ("SaveVideo", {"format": "webm"}, "out:video", "format is 'webm'; a clip is MP4 with H.264, choose 'mp4'"),
        ("VHS_VideoCombine", {"format": "image/gif"}, "out:video", "format is 'image/gif'"),
        ("VHS_VideoCombine", {"format": "video/h264-mp4", "save_output": False}, "out:video", "save_output is False"),
    ],
)
def test_an_output_whose_file_could_not_be_used_is_refused(
    clip: Graph, class_type: str, inputs: Graph, title: str, message: str
) -> None:
    clip["108"]["class_type"] = class_type
    clip["108"]["inputs"] |= inputs
    clip["108"]["_meta"]["title"] = title
    with pytest.raises(InvalidRequest, match=message):
        read(clip)


def behind_decoding(clip: Graph, class_type: str) -> Graph:
    """The clip's graph with one more node between its frames and its video."""
    clip["300"] = {"class_type": class_type, "inputs": {"image": clip["94"]["inputs"]["images"]}, "_meta": {}}
    clip["94"]["inputs"]["images"] = ["300", 0]
    return clip


@pytest.mark.parametrize(
    ("class_type", "message"),
    [
        ("ImageUpscaleWithModel", "changes the size behind in:width.* take in:width and in:height away"),
        ("RIFE VFI", "adds frames behind in:length"),
    ],
)
def test_a_result_that_could_not_be_as_it_was_ordered_is_refused(clip: Graph, class_type: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"node 300 \({class_type}\) {message}"):
        read(behind_decoding(clip, class_type))


def test_a_size_that_nobody_can_set_may_be_changed_and_so_may_that_of_the_start_picture(clip: Graph) -> None:
    clip["98"]["_meta"]["title"] = "in:length"
    assert bind(read(behind_decoding(clip, "ImageUpscaleWithModel")), images=("x.png",)).width is None
    edit = titled("flux2_klein_edit_2refs_1920x1088", n66="in:width", n62="in:width", n76="in:image", n9="out:image")
    assert bind(read(edit), images=("x.png",), width=512).width == 512
    scale = {"image": ["300", 0], "width": 640}
    clip["301"] = {"class_type": "ImageScale", "inputs": scale, "_meta": {"title": "in:width"}}
    clip["94"]["inputs"]["images"] = ["301", 0]
    clip["98"]["_meta"]["title"] = "in:width in:length"
    assert bind(read(clip), images=("x.png",), width=512).width == 512
    smaller = titled("wan22_i2v", n97="in:image", n98="in:width in:height in:length", n108="out:video")
    smaller["300"] = {"class_type": "ImageScaleToTotalPixels", "inputs": {"image": ["97", 0]}, "_meta": {}}
    smaller["98"]["inputs"]["start_image"] = ["300", 0]
    assert bind(read(smaller), images=("x.png",), width=512).width == 512


def test_a_template_of_a_users_own_survives_being_stored(clip: Graph, object_info: Graph) -> None:
    template = read(clip, object_info=object_info)
    stored = GraphTemplate.model_validate_json(template.model_dump_json())
    assert stored == template
    assert bind(stored, images=("x.png",)) == bind(template, images=("x.png",))


def test_a_graph_without_models_can_be_ones_own(object_info: Graph) -> None:
    scale = {"image": ["1", 0], "upscale_method": "lanczos", "width": 64, "height": 64, "crop": "disabled"}
    save = {"images": ["2", 0], "filename_prefix": "ComfyUI"}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "in:image"}},
        "2": {"class_type": "ImageScale", "inputs": scale, "_meta": {"title": "in:width in:height"}},
        "3": {"class_type": "SaveImage", "inputs": save, "_meta": {"title": "OUT:Image"}},
    }
    template = read(graph, object_info=object_info)
    bound = bind(template, images=("x.png",), width=128)
    assert check_graph(bound.graph, object_info) == []
    assert (bound.width, bound.height, bound.kind, bound.model_files) == (128, 64, "image", ())
    assert template.declaration.type is GraphType.IMAGE_TO_IMAGE
    assert bound.notes == ("prompt left out: mine has none", "seed left out: mine has none")


def test_pictures_go_where_their_numbers_say() -> None:
    graph = titled(
        "flux2_klein_edit_2refs_1920x1088", n76="in:image2", n200="in:image", n74="in:prompt", n9="out:image"
    )
    bound = bind(read(graph), images=("first.png", "second.png"))
    assert bound.graph["200"]["inputs"]["image"] == "first.png"
    assert bound.graph["76"]["inputs"]["image"] == "second.png"


def test_other_outputs_and_previews_are_left_out(clip: Graph) -> None:
    clip["300"] = {"class_type": "PreviewImage", "inputs": {"images": ["87", 0]}}
    clip["301"] = {"class_type": "SaveImage", "inputs": {"images": ["87", 0], "filename_prefix": "x"}}
    bound = bind(read(clip), images=("x.png",))
    assert bound.graph.keys() == accepted("wan22_i2v").keys()


def test_frames_per_second_are_read_where_they_are_no_parameter(clip: Graph) -> None:
    clip["94"]["_meta"]["title"] = "Create Video"
    bound = bind(read(clip), images=("x.png",), seconds=2)
    assert (bound.fps, bound.frames) == (16, 33)


def test_the_frame_rate_nearest_before_the_output_is_the_clips(clip: Graph) -> None:
    clip["94"]["_meta"]["title"] = "Create Video"
    clip["90"]["inputs"]["frame_rate"] = 24
    assert bind(read(clip), images=("x.png",)).fps == 16
    clip["94"]["inputs"]["frame_rate"] = 24
    assert bind(read(clip), images=("x.png",)).fps is None


def test_seconds_are_refused_where_nobody_knows_the_frames_per_second(clip: Graph) -> None:
    clip["94"]["inputs"]["fps"] = ["98", 0]
    clip["94"]["_meta"]["title"] = "Create Video"
    with pytest.raises(InvalidRequest, match="mark them with in:fps"):
        bind(read(clip), images=("x.png",), seconds=2)


def test_its_model_files_are_listed(clip: Graph) -> None:
    files = [(file.folder, file.node) for file in read(clip).declaration.models]
    assert files == [("text_encoders", "84"), ("vae", "90"), ("diffusion_models", "95"), ("diffusion_models", "96")]


def test_a_lora_is_refused_where_there_is_no_place_for_it(clip: Graph) -> None:
    with pytest.raises(InvalidRequest, match="this graph takes no LoRA"):
        bind(read(clip), images=("x.png",), loras=(Lora(name="style"),))


def test_a_workflow_as_the_editor_saves_it_is_refused_with_the_way_to_export() -> None:
    saved = {
        "last_node_id": 9,
        "nodes": [{"id": 3, "type": "KSampler"}],
        "links": [[1, 4, 0, 3, 0, "MODEL"]],
        "version": 0.4,
    }
    with pytest.raises(InvalidRequest, match=r"as the editor saves it.*Workflow → Export \(API\)"):
        read(saved)


@pytest.mark.parametrize("content", [[], {}, "text", {"1": {"class_type": "SaveImage"}}, {"1": 5}, {"prompt": {}}])
def test_other_json_is_refused_with_the_way_to_export(content: object) -> None:
    with pytest.raises(InvalidRequest, match=r"not a graph in API format.*Export \(API\)"):
        read(content)


def test_a_file_of_boxes_in_boxes_is_refused() -> None:
    for deep in (100, 100_000):
        text = '{"1": {"class_type": "A", "inputs": {"a": ' + "[" * deep + "]" * deep + "}}}"
        with pytest.raises(InvalidRequest, match="not a graph in API format"):
            read_own_graph(text, name="mine")


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe\x00"])
def test_a_file_that_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidRequest, match="this file is not JSON"):
        read_own_graph(text, name="mine")


@pytest.mark.parametrize(
    ("node", "title", "message"),
    [
        ("108", "save", "title exactly one node out:video or out:image.*found: none"),
        ("94", "out:video", "found: node 94 .*, node 108 "),
        ("108", "out:audio", "out:audio is no marker; known are out:video, out:image"),
        ("93", "in:promt", "in:promt is no marker; known are in:prompt, in:negative, in:image"),
        ("93", "in:prompt2", "in:prompt2 is no marker"),
        ("93", "in:prompt_2", "in:prompt_2 is no marker"),
        ("93", "in:prompt=", "in:prompt= is no marker"),
        ("93", "in:prompt-text", "in:prompt-text is no marker"),
        (
            "90",
            "in:prompt",
            r"node 90 .* has no input text or prompt or value or string: name it as in:prompt=…, of vae_name",
        ),
        ("93", "in:prompt=words", "has no input words: name it as in:prompt=…, of clip, text"),
        ("85", "in:split", "has no input that is meant: name it as in:split=…, of model"),
        ("97", "in:image2", "number the pictures in:image, in:image2, in:image3 …, without a gap"),
        ("87", "in:seed=samples", "samples comes from node 85; put in:seed there"),
        ("95", "in:steps=weight_dtype", "weight_dtype of node 95 is 'default', not a number"),
        ("108", "out:video in:steps=format", "in:steps: format of node 108 is 'mp4', not a number"),
        ("93", "in:prompt in:negative=clip", "clip comes from node 84; put in:negative there"),
        ("86", "in:prompt=steps", "in:prompt: steps of node 86 is 20, not a text"),
    ],
)
def test_a_title_that_leads_nowhere_is_refused(clip: Graph, node: str, title: str, message: str) -> None:
    clip[node]["_meta"]["title"] = title
    with pytest.raises(InvalidRequest, match=message):
        read(clip)


def test_a_marker_off_the_way_to_the_output_is_refused(clip: Graph) -> None:
    clip["200"] = {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["84", 0], "text": ""},
        "_meta": {"title": "in:prompt"},
    }
    with pytest.raises(InvalidRequest, match="in:prompt is on node 200, which does not lead to the output"):
        read(clip)


def test_an_output_that_cannot_be_named_is_refused(clip: Graph) -> None:
    clip["108"]["_meta"]["title"] = "save"
    clip["94"]["_meta"]["title"] = "out:video"
    with pytest.raises(InvalidRequest, match=r"node 94 .* has no filename_prefix"):
        read(clip)


def test_a_name_that_is_no_identifier_is_refused(clip: Graph) -> None:
    with pytest.raises(InvalidRequest, match=r"name: 'Unsaved Workflow' has something else than letters .* --name"):
        read_own_graph(json.dumps(clip), name="Unsaved Workflow")


def test_titles_of_other_words_are_no_markers(clip: Graph) -> None:
    clip["104"]["_meta"]["title"] = "Check-in:desk, begin:x, domain:y"
    assert read(clip).declaration == read(clip | {"104": clip["104"] | {"_meta": {}}}).declaration
