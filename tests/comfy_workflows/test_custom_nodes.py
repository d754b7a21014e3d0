"""Nodes whose schema says less, or more, than they read: growing inputs, stacks of LoRAs, formats, empty lists."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfy_workflows.check import check_graph, serious
from comfy_workflows.complaints import Complaint, InvalidValue, MissingInput, MissingModel, MissingNode, UnknownInput
from comfy_workflows.loaders import FOLDERS, files_named, model_files
from comfy_workflows.spelling import respelled
from tests.comfy_workflows.conftest import accepted

Graph = dict[str, Any]
HERE = Path(__file__).parent
POWER = "Power Lora Loader (rgthree)"


@pytest.fixture
def server(object_info: Graph) -> Graph:
    """A server with a few widely used custom nodes."""
    custom: Graph = json.loads((HERE / "object_info_custom_nodes.json").read_text(encoding="utf-8"))
    info = object_info | custom
    info["LoraLoaderModelOnly"]["input"]["required"]["lora_name"][0] = ["style.safetensors", "wan\\high.safetensors"]
    info["LoadLoraModel"]["input"]["required"]["loras"][1]["template"]["lora_name"][1]["options"] = [
        "style.safetensors"
    ]
    info["CustomCombo"] = {"input": {"required": {"choice": ["COMBO", {"options": []}]}}, "output": ["STRING", "INT"]}
    return info


def with_node(class_type: str, inputs: Graph, *, into: str = "104", name: str = "model") -> Graph:
    """The two-pass graph with a node before an input."""
    graph = accepted("wan22_i2v")
    before = graph[into]["inputs"].get(name)
    graph["300"] = {"class_type": class_type, "inputs": ({"model": before} if name == "model" else {}) | inputs}
    graph[into]["inputs"][name] = ["300", 0]
    return graph


def found(graph: Graph, server: Graph) -> list[Complaint]:
    return check_graph(graph, server)


def row(name: str, **further: Any) -> Graph:
    return {"on": True, "lora": name, "strength": 1.0} | further


STACKS: list[tuple[str, Callable[[str], Graph]]] = [
    (POWER, lambda file: {"lora_1": row("style.safetensors"), "lora_2": row(file), "": "", "header": {"type": "x"}}),
    (POWER, lambda file: {"lora_7": {"lora": file, "strength": 0.5, "strengthTwo": 1}}),
    ("LoadLoraModel", lambda file: {"loras.0.lora_name": file, "loras.0.strength": 1.0, "loras.0.enabled": True}),
    ("LoadLoraModel", lambda file: {"loras": [{"lora_name": file, "strength": 1.0}]}),
    ("LoadLoraModel", lambda file: {"loras": {"__value__": [{"lora_name": file, "strength": 1.0}]}}),
]


@pytest.mark.parametrize("number", range(len(STACKS)))
def test_loras_in_objects_and_rows_are_listed_and_checked(number: int, server: Graph) -> None:
    class_type, inputs = STACKS[number]
    assert found(with_node(class_type, inputs("style.safetensors")), server) == []
    graph = with_node(class_type, inputs("gone.safetensors"))
    (complaint,) = serious(found(graph, server))
    assert isinstance(complaint, MissingModel)
    assert complaint.text == "model file gone.safetensors is missing on this server; it belongs in models/loras"
    assert [one.folder for one in model_files(graph) if one.name == "gone.safetensors"] == ["loras"]


def test_rows_that_are_switched_off_name_no_file(server: Graph) -> None:
    for class_type, inputs in (
        (POWER, {"lora_1": row("gone.safetensors", on=False)}),
        (POWER, {"lora_1": row("None")}),
        ("LoadLoraModel", {"loras": [{"lora_name": "gone.safetensors", "enabled": False}]}),
    ):
        graph = with_node(class_type, inputs)
        assert found(graph, server) == [], inputs
        assert "300" not in [one.node for one in model_files(graph)]
    assert list(files_named("LoadLoraModel", {"loras.0.lora_name": "a.sft", "loras.0.enabled": False})) == []


def test_what_grows_in_a_custom_node_is_not_told_to_be_ignored(server: Graph) -> None:
    server["ImageBatchMulti"] = {
        "input": {"required": {"inputcount": ["INT"], "image_1": ["IMAGE"]}},
        "output": ["IMAGE"],
        "python_module": "custom_nodes.ComfyUI-KJNodes",
    }
    inputs = {"inputcount": 3, "image_1": ["87", 0], "image_2": ["87", 0], "image_3": ["87", 0]}
    assert found(with_node("ImageBatchMulti", inputs, into="94", name="images"), server) == []
    (odd,) = found(with_node(POWER, {"lenght": 5}), server)
    assert isinstance(odd, UnknownInput)


def video_combine(**inputs: Any) -> Graph:
    graph = accepted("wan22_i2v")
    given = {"images": ["87", 0], "frame_rate": 16, "loop_count": 0, "filename_prefix": "x", "pingpong": False}
    given |= {"format": "video/h264-mp4", "save_output": True, **inputs}
    graph["108"] = {"class_type": "VHS_VideoCombine", "inputs": given}
    del graph["94"]
    return graph


def test_what_a_format_adds_is_known_and_checked(server: Graph) -> None:
    added = {"pix_fmt": "yuv420p", "crf": 19, "save_metadata": True, "trim_to_audio": False}
    assert found(video_combine(**added), server) == []
    (wrong,) = found(video_combine(pix_fmt="yuv999"), server)
    assert isinstance(wrong, InvalidValue)
    (of_another,) = found(video_combine(format="image/gif", crf=19), server)
    assert isinstance(of_another, UnknownInput)


def test_an_empty_list_of_what_is_no_loader_says_nothing(server: Graph) -> None:
    server["Chooser"] = {
        "input": {"required": {"which": [[], {}], "file": ["COMBO", {"options": []}]}},
        "output": ["STRING"],
    }
    for class_type, inputs in (
        ("CustomCombo", {"choice": "cinematic", "option1": "cinematic", "option2": "", "index": 0}),
        ("Chooser", {"which": "cinematic", "file": "story.txt"}),
    ):
        graph = with_node(class_type, inputs, into="93", name="text")
        assert found(graph, server) == [], class_type
    server["UNETLoader"]["input"]["required"]["unet_name"][0] = []
    assert [type(one) for one in found(accepted("wan22_i2v"), server)] == [MissingModel, MissingModel]
    server["Chooser"]["input"]["required"]["which"][0] = ["a"]
    graph = with_node("Chooser", {"which": "b", "file": "x.gguf"}, into="93", name="text")
    assert [type(one) for one in found(graph, server) if one.node == "300"] == [InvalidValue, MissingModel]


def test_what_a_choice_brings_along_is_demanded_by_its_whole_key(server: Graph) -> None:
    def saved(**inputs: Any) -> list[str]:
        graph = accepted("wan22_i2v")
        graph["108"]["inputs"] = {"video": ["94", 0], "filename_prefix": "x"} | {
            key.replace("__", "."): value for key, value in inputs.items()
        }
        return [one.input for one in found(graph, server) if isinstance(one, MissingInput)]

    codec = {"format": "mp4", "format__codec": "h264", "format__codec__encoding": "re-encode"}
    encoding = "format.codec.encoding"
    assert saved(**codec) == [f"{encoding}.crf", f"{encoding}.color_space"]
    assert saved(**codec, format__codec__encoding__crf=18) == [f"{encoding}.color_space"]
    assert saved(**codec, format__codec__encoding__crf=18, format__codec__encoding__color_space="auto") == []
    assert saved(**codec | {"format__codec__encoding": "auto"}) == []
    assert saved(format="mp4", codec="h264") == []  # the older, plain spelling
    assert saved(**codec, crf=18, color_space="auto") == []
    assert saved() == ["format"]
    server["ResizeImageMaskNode"] = {
        "input": {
            "required": {
                "input": ["IMAGE"],
                "resize_type": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "scale dimensions", "inputs": {"required": {"width": ["INT"], "height": ["INT"]}}}
                        ]
                    },
                ],
            }
        },
        "output": ["IMAGE"],
    }
    graph = with_node(
        "ResizeImageMaskNode",
        {"input": ["97", 0], "resize_type": "scale dimensions", "resize_type.width": 64},
        into="98",
        name="start_image",
    )
    (missing,) = found(graph, server)
    assert missing.text == "resize_type.height is required"


LOADERS = {
    ("LTXAVTextEncoderLoader", "text_encoder"): "text_encoders",
    ("LTXAVTextEncoderLoader", "ckpt_name"): "checkpoints",
    ("LTXVAudioVAELoader", "ckpt_name"): "checkpoints",
    ("LoadMoGeModel", "model_name"): "geometry_estimation",
    ("LoadDA3Model", "model_name"): "geometry_estimation",
    ("LoadBackgroundRemovalModel", "bg_removal_name"): "background_removal",
    ("OpticalFlowLoader", "model_name"): "optical_flow",
    ("FrameInterpolationModelLoader", "model_name"): "frame_interpolation",
}


def test_the_newer_loaders_say_where_their_files_belong(server: Graph) -> None:
    for (class_type, name), folder in LOADERS.items():
        assert FOLDERS[class_type, name] == folder
        server[class_type] = {"input": {"required": {name: ["COMBO", {"options": []}]}}, "output": ["MODEL"]}
        complaints = found(with_node(class_type, {name: "m.safetensors"}), server)
        (complaint,) = [one for one in complaints if isinstance(one, MissingModel)]
        assert complaint.text.endswith(f"it belongs in models/{folder}")


def test_a_path_with_other_separators_is_matched_to_the_servers_spelling(server: Graph) -> None:
    lora = with_node("LoraLoaderModelOnly", {"lora_name": "wan/high.safetensors", "strength_model": 1.0})
    power = with_node(POWER, {"lora_1": row("wan/high.safetensors"), "lora_2": row("style.safetensors")})
    server["VAELoader"]["input"]["required"]["vae_name"][0] = ["video/wan_2.1_vae.safetensors"]
    for graph in (lora, power):
        graph["90"]["inputs"]["vae_name"] = "video\\\\wan_2.1_vae.safetensors"
        assert found(graph, server) == []
        assert respelled(graph, server)["90"]["inputs"]["vae_name"] == "video/wan_2.1_vae.safetensors"
        assert graph["90"]["inputs"]["vae_name"] == "video\\\\wan_2.1_vae.safetensors"
    assert respelled(lora, server)["300"]["inputs"]["lora_name"] == "wan\\high.safetensors"
    rows = respelled(power, server)["300"]["inputs"]
    assert [rows["lora_1"], rows["lora_2"]] == [row("wan\\high.safetensors"), row("style.safetensors")]
    plain = accepted("wan22_i2v_lightning_lora")
    assert respelled(plain, server) == plain
    lora["300"]["inputs"]["lora_name"] = "wan/low.safetensors"
    (gone,) = found(lora, server)
    assert isinstance(gone, MissingModel) and respelled(lora, server) == respelled(lora, server) | {"300": lora["300"]}


def test_a_node_of_the_editor_and_one_without_a_class_are_told_apart_from_one_that_is_not_installed(
    server: Graph,
) -> None:
    graph = with_node("Reroute", {})
    (editor,) = found(graph, server)
    assert isinstance(editor, MissingNode) and "exists in ComfyUI's editor only" in editor.text
    graph["300"]["class_type"] = None
    (unknown,) = found(graph, server)
    assert str(unknown).startswith("node 300: has no class: ComfyUI did not know this node when the graph was exported")
