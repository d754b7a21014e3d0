"""What the checker finds in a graph, as people read it."""

from collections.abc import Callable
from typing import Any

import pytest

from comfy_workflows.check import check_graph, missing_uploads, serious
from comfy_workflows.complaints import (
    BadLink,
    Complaint,
    GoesInCircles,
    InvalidValue,
    MissingInput,
    MissingModel,
    MissingNode,
    MissingUpload,
    NotAGraph,
    NothingSaved,
    UnknownInput,
)
from comfy_workflows.declaration import Place
from tests.comfy_workflows.conftest import accepted

Graph = dict[str, Any]


def only(found: list[Complaint]) -> Complaint:
    """The one complaint."""
    assert len(found) == 1, [str(one) for one in found]
    return found[0]


def changed(object_info: Graph, file: str, change: Callable[[Graph], Any]) -> list[Complaint]:
    """What is wrong with an accepted graph after a change."""
    graph = accepted(file)
    change(graph)
    return check_graph(graph, object_info)


def set_input(node: str, name: str, value: object) -> Callable[[Graph], None]:
    """The change of one input."""

    def change(graph: Graph) -> None:
        graph[node]["inputs"][name] = value

    return change


@pytest.mark.parametrize("file", ["wan22_i2v_lightning_lora", "flux2_klein_edit", "hunyuan15_i2v", "z_image_turbo_t2i"])
def test_a_graph_that_a_server_accepted_has_nothing_wrong(file: str, object_info: Graph) -> None:
    assert check_graph(accepted(file), object_info) == []


def test_a_node_the_server_does_not_know_is_named(object_info: Graph) -> None:
    del object_info["Flux2Scheduler"]
    found = only(check_graph(accepted("flux2_klein_edit"), object_info))
    assert isinstance(found, MissingNode)
    assert found.class_type == "Flux2Scheduler"
    assert str(found) == (
        "node 62 (Flux2Scheduler): this server has no node Flux2Scheduler: "
        "ComfyUI is too old, or a custom node is not installed"
    )


@pytest.mark.parametrize(
    ("file", "node", "name", "folder"),
    [
        ("wan22_i2v", "95", "unet_name", "diffusion_models"),
        ("wan22_i2v", "84", "clip_name", "text_encoders"),
        ("wan22_i2v", "90", "vae_name", "vae"),
        ("wan22_i2v_lightning_lora", "118", "lora_name", "loras"),
        ("hunyuan15_i2v", "11", "clip_name2", "text_encoders"),
        ("hunyuan15_i2v", "81", "clip_name", "clip_vision"),
    ],
)
def test_a_missing_model_file_is_named_with_its_folder(
    file: str, node: str, name: str, folder: str, object_info: Graph
) -> None:
    found = only(changed(object_info, file, set_input(node, name, "gone.safetensors")))
    assert isinstance(found, MissingModel)
    assert (found.node, found.folder, found.name) == (node, folder, "gone.safetensors")
    assert found.text == f"model file gone.safetensors is missing on this server; it belongs in models/{folder}"


@pytest.mark.parametrize("name", ["taehv.safetensors", "lighttaew2_2.safetensors"])
def test_the_small_vaes_of_clips_belong_in_a_folder_of_their_own(name: str, object_info: Graph) -> None:
    found = only(changed(object_info, "wan22_i2v", set_input("90", "vae_name", name)))
    assert found.text == f"model file {name} is missing on this server; it belongs in models/vae_approx"


def test_a_server_without_any_file_misses_every_one(object_info: Graph) -> None:
    for node, name in (("UNETLoader", "unet_name"), ("CLIPLoader", "clip_name"), ("VAELoader", "vae_name")):
        object_info[node]["input"]["required"][name][0] = []
    found = check_graph(accepted("z_image_turbo_t2i"), object_info)
    assert {one.folder for one in found if isinstance(one, MissingModel)} == {
        "diffusion_models",
        "text_encoders",
        "vae",
    }


def test_a_model_file_in_another_subfolder_is_pointed_at(object_info: Graph) -> None:
    object_info["VAELoader"]["input"]["required"]["vae_name"][0] = ["wan\\ae.safetensors"]
    found = only(check_graph(accepted("z_image_turbo_t2i"), object_info))
    assert found.text == "model file ae.safetensors is not on this server, but wan\\ae.safetensors is"


def test_a_word_for_no_file_is_an_invalid_value(object_info: Graph) -> None:
    object_info["VAELoader"]["input"]["required"]["vae_name"][0] = []
    found = only(changed(object_info, "z_image_turbo_t2i", set_input("29", "vae_name", "pixel_space")))
    assert isinstance(found, InvalidValue)
    assert found.text == "vae_name 'pixel_space' cannot be chosen: this server offers nothing"


@pytest.mark.parametrize(
    ("node", "name", "value", "text"),
    [
        ("3", "steps", 0, "steps 0 is less than 1"),
        ("3", "cfg", 100.5, "cfg 100.5 is more than 100.0"),
        ("3", "steps", 8.5, "steps 8.5 is not a whole number"),
        ("3", "steps", "eight", "steps 'eight' is not a whole number"),
        ("3", "steps", True, "steps True is not a whole number"),
        ("3", "steps", None, "steps None is not a whole number"),
        ("3", "cfg", float("inf"), "cfg inf is not a number"),
        ("3", "seed", 2**64, f"seed {2**64} is more than {2**64 - 1}"),
        ("3", "scheduler", "magic", "scheduler 'magic' is not one of simple, sgm_uniform, karras, exponential, "),
        ("3", "model", "28", "model '28' must come from another node"),
        ("27", "text", {"a": 1}, "text {'a': 1} is not a text"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_the_reason(
    node: str, name: str, value: object, text: str, object_info: Graph
) -> None:
    found = only(changed(object_info, "z_image_turbo_t2i", set_input(node, name, value)))
    assert isinstance(found, InvalidValue)
    assert (found.node, found.input) == (node, name)
    assert found.text.startswith(text)


@pytest.mark.parametrize(("name", "value"), [("seed", 2**64 - 1), ("steps", "8"), ("steps", 8.0), ("cfg", 1)])
def test_what_a_server_reads_as_a_number_is_one(name: str, value: object, object_info: Graph) -> None:
    assert changed(object_info, "z_image_turbo_t2i", set_input("3", name, value)) == []


@pytest.mark.parametrize(("value", "wrong"), [(True, False), (0, False), ("false", True), (2, True)])
def test_a_switch_is_true_or_false(value: object, wrong: bool, object_info: Graph) -> None:
    object_info["SaveImage"]["input"]["required"]["loud"] = ["BOOLEAN", {"default": True}]
    found = changed(object_info, "z_image_turbo_t2i", set_input("9", "loud", value))
    assert [one.text for one in found] == [f"loud {value!r} is neither true nor false"] * wrong


def test_a_list_in_its_wrapping_is_the_list(object_info: Graph) -> None:
    object_info["SaveImage"]["input"]["required"]["tags"] = [["a", "b", "c"], {"multiselect": True}]
    wrapped = set_input("9", "tags", {"__value__": ["a", "c"]})
    assert changed(object_info, "z_image_turbo_t2i", wrapped) == []
    found = only(changed(object_info, "z_image_turbo_t2i", set_input("9", "tags", {"__value__": ["a", "d"]})))
    assert found.text == "tags 'd' is not one of a, b, c"


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("scheduler", "magic")])
def test_a_custom_node_may_take_values_it_does_not_list(name: str, value: object, object_info: Graph) -> None:
    object_info["KSampler"]["python_module"] = "custom_nodes.better-samplers"
    found = only(changed(object_info, "z_image_turbo_t2i", set_input("3", name, value)))
    assert serious([found]) == []
    assert found.remark.endswith("the node may take it all the same, the server has the last word")


def test_a_custom_node_takes_no_word_for_a_number(object_info: Graph) -> None:
    object_info["KSampler"]["python_module"] = "custom_nodes.better-samplers"
    assert serious(changed(object_info, "z_image_turbo_t2i", set_input("3", "steps", "eight")))


@pytest.mark.parametrize(("loader", "certain"), [("UnetLoaderGGUF", True), ("ShinyLoader", False)])
def test_of_custom_loaders_only_those_we_know_are_believed(loader: str, certain: bool, object_info: Graph) -> None:
    object_info[loader] = object_info["UNETLoader"] | {"python_module": "custom_nodes.loaders"}

    def change(graph: Graph) -> None:
        graph["28"] = {"class_type": loader, "inputs": graph["28"]["inputs"] | {"unet_name": "gone.gguf"}}

    found = only(changed(object_info, "z_image_turbo_t2i", change))
    assert isinstance(found, MissingModel)
    assert found.certain is certain


@pytest.mark.parametrize(
    "spec",
    [
        5,
        [],
        None,
        ["INT", None],
        ["INT", {"min": None, "max": "9", "step": None}],
        ["INT", {"max": float("inf")}],
        ["INT", {"max": 10**400}],
        ["COMFY_DYNAMICCOMBO_V3", {"options": [None, {"name": "a"}]}],
    ],
)
def test_an_odd_spec_of_one_input_stands_in_nobodys_way(spec: object, object_info: Graph) -> None:
    object_info["SaveImage"]["input"]["optional"] = {"odd": spec}
    found = changed(object_info, "z_image_turbo_t2i", set_input("9", "odd", 1))
    assert [one for one in found if not isinstance(one, InvalidValue)] == []


@pytest.mark.parametrize("odd", [None, [], {"input": None}, {"input": {"required": None}, "output": None}])
def test_an_odd_class_stands_in_nobodys_way(odd: object, object_info: Graph) -> None:
    object_info["SaveImage"] = odd
    assert not any(isinstance(one, MissingNode) for one in check_graph(accepted("z_image_turbo_t2i"), object_info))


def test_a_file_that_was_never_uploaded_is_named_unless_it_is_one_of_ours(object_info: Graph) -> None:
    graph = accepted("wan22_i2v")
    assert missing_uploads(graph, object_info, []) == []
    graph["97"]["inputs"]["image"] = "cat.png"
    assert missing_uploads(graph, object_info, [Place(node="97", input="image")]) == []
    (found,) = missing_uploads(graph, object_info, [])
    assert isinstance(found, MissingUpload)
    assert found.text == "image cat.png is not among the files of this server"
    graph["97"]["inputs"]["image"] = "cat.png [output]"
    assert missing_uploads(graph, object_info, []) == []


def test_an_input_the_node_does_not_have_is_named(object_info: Graph) -> None:
    found = only(changed(object_info, "wan22_i2v", set_input("98", "lenght", 81)))
    assert isinstance(found, UnknownInput)
    assert str(found) == "node 98 (WanImageToVideo): lenght is no input of this node"


def test_a_required_input_that_is_not_there_is_named(object_info: Graph) -> None:
    found = only(changed(object_info, "wan22_i2v", lambda graph: graph["108"]["inputs"].pop("filename_prefix")))
    assert isinstance(found, MissingInput)
    assert str(found) == 'node 108 "save" (SaveVideo): filename_prefix is required'


def test_an_optional_input_may_be_left_out(object_info: Graph) -> None:
    assert changed(object_info, "wan22_i2v", lambda graph: graph["98"]["inputs"].pop("start_image")) == []


@pytest.mark.parametrize(
    ("link", "text"),
    [
        (["77", 0], "images comes from node 77, which is not there"),
        (["8", 1], "images comes from output 1 of node 8, which has 1"),
        (["8", -1], "images comes from output -1 of node 8, which has 1"),
        (["3", 0], "images takes IMAGE, node 3 gives LATENT"),
    ],
)
def test_a_link_that_leads_nowhere_or_brings_something_else_is_named(
    link: list[object], text: str, object_info: Graph
) -> None:
    found = only(changed(object_info, "z_image_turbo_t2i", set_input("9", "images", link)))
    assert isinstance(found, BadLink)
    assert found.text == text


@pytest.mark.parametrize(
    "takes", ["*", "COMFY_MATCHTYPE_V3", "LATENT,IMAGE", "FOO, LATENT", "MASK,*", "COMFY_AUTOGROW_V3"]
)
def test_an_input_that_takes_several_types_takes_each(takes: str, object_info: Graph) -> None:
    object_info["SaveImage"]["input"]["required"]["images"] = [takes, {}]
    assert changed(object_info, "z_image_turbo_t2i", set_input("9", "images", ["3", 0])) == []


def test_an_output_of_several_types_fits_where_one_of_them_does(object_info: Graph) -> None:
    object_info["KSampler"]["output"] = ["LATENT, IMAGE"]
    assert changed(object_info, "z_image_turbo_t2i", set_input("9", "images", ["3", 0])) == []


def test_inputs_that_grow_are_let_pass_below_their_name_only(object_info: Graph) -> None:
    object_info["SaveImage"]["input"]["required"]["parts"] = ["COMFY_AUTOGROW_V3", {}]
    assert changed(object_info, "z_image_turbo_t2i", set_input("9", "parts.part0", ["8", 0])) == []
    found = only(changed(object_info, "z_image_turbo_t2i", set_input("9", "party", ["8", 0])))
    assert isinstance(found, UnknownInput)


def test_inputs_that_a_choice_brings_along_are_checked_like_others(object_info: Graph) -> None:
    def newer(codec: str, encoding: str, crf: object) -> Callable[[Graph], None]:
        def change(graph: Graph) -> None:
            inputs = graph["108"]["inputs"]
            del inputs["codec"]
            inputs |= {"format.codec": codec, "format.codec.encoding": encoding, "format.codec.encoding.crf": crf}
            inputs |= {"format.codec.encoding.color_space": "sRGB"} if encoding == "re-encode" else {}

        return change

    assert changed(object_info, "wan22_i2v", newer("h264", "re-encode", 18.0)) == []
    too_big = only(changed(object_info, "wan22_i2v", newer("h264", "re-encode", 60.0)))
    assert too_big.text == "format.codec.encoding.crf 60.0 is more than 51.0"
    not_brought = only(changed(object_info, "wan22_i2v", newer("h264", "auto", 18.0)))
    assert isinstance(not_brought, UnknownInput)
    unknown = changed(object_info, "wan22_i2v", set_input("108", "format", "gif"))
    assert [one.text[:27] for one in unknown] == ["format 'gif' is not one of "]


def test_an_older_server_spells_choices_otherwise(object_info: Graph) -> None:
    required = object_info["SaveVideo"]["input"]["required"]
    required |= {"format": ["COMBO", {"options": ["auto", "mp4"]}], "codec": [["auto", "h264"], {"default": "auto"}]}
    del object_info["SaveVideo"]["input"]["optional"]
    assert check_graph(accepted("wan22_i2v"), object_info) == []
    found = only(changed(object_info, "wan22_i2v", set_input("108", "codec", "av1")))
    assert found.text == "codec 'av1' is not one of auto, h264"


def test_an_uploaded_picture_need_not_be_in_the_servers_list(object_info: Graph) -> None:
    assert changed(object_info, "wan22_i2v", set_input("97", "image", "longtake/0f1e.png")) == []


def test_nodes_in_a_circle_are_named(object_info: Graph) -> None:
    def change(graph: Graph) -> None:
        graph["104"]["inputs"]["model"] = ["103", 0]
        graph["103"]["inputs"]["model"] = ["104", 0]

    found = only(changed(object_info, "wan22_i2v", change))
    assert isinstance(found, GoesInCircles)
    assert set(found.nodes) == {"103", "104"}


def test_a_graph_that_saves_nothing_is_told_so(object_info: Graph) -> None:
    found = only(changed(object_info, "z_image_turbo_t2i", lambda graph: graph.pop("9")))
    assert isinstance(found, NothingSaved)


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        ({}, "the graph has no nodes"),
        ({"1": {"inputs": {}}}, "node 1: has no class_type: this is not a graph in API format"),
        (
            {"1": {"class_type": "SaveImage", "inputs": None}},
            "node 1: has no inputs: this is not a graph in API format",
        ),
        ({"nodes": [], "links": []}, "node nodes: has no class_type: this is not a graph in API format"),
    ],
)
def test_what_is_no_graph_is_said_to_be_none(graph: Graph, text: str, object_info: Graph) -> None:
    found = check_graph(graph, object_info)
    assert all(isinstance(one, NotAGraph) for one in found)
    assert str(found[0]) == text


def test_every_complaint_is_found_at_once(object_info: Graph) -> None:
    def change(graph: Graph) -> None:
        graph["86"]["inputs"] |= {"steps": 0, "stesp": 4}
        graph["95"]["inputs"]["unet_name"] = "gone.safetensors"
        graph["87"]["class_type"] = "NoSuchNode"

    kinds = {type(one) for one in changed(object_info, "wan22_i2v", change)}
    assert kinds == {InvalidValue, UnknownInput, MissingModel, MissingNode}
