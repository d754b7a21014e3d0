"""Graphs are given their values: rules, LoRAs, references, camera, and what cannot be done."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfy_workflows.check import check_graph
from comfy_workflows.declaration import GraphDeclaration, ParameterName
from comfy_workflows.graph import BoundGraph, GraphTemplate, load_graph, shipped_graphs
from comfy_workflows.loaders import model_files
from comfy_workflows.rewire import is_link
from studio.contracts.clip import CameraMove
from studio.contracts.render import BIGGEST_SEED, GraphParameters, Lora, LoraPair
from studio.errors import InvalidRequest

TWO_PASSES = ("wan22_i2v", "wan22_fun_camera")
CLIPS = (*TWO_PASSES, "hunyuan15_i2v", "hunyuan15_t2v")
ASKED_AS = {ParameterName.LENGTH: "frames"}
FEW = {"high": "wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise", "low": "wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise"}


def bind(name: str, *, pictures: int | None = None, **asked: Any) -> BoundGraph:
    """A shipped graph with a prompt, a seed and as many pictures as it needs."""
    template = load_graph(name)
    count = len(template.declaration.images) if pictures is None else pictures
    parameters = GraphParameters.model_validate({"prompt": "a cat", "seed": 7} | asked)
    return template.bind(parameters, images=[f"in/{n}.png" for n in range(1, count + 1)], prefix="longtake/take/1")


def value(bound: BoundGraph, node: str, name: str) -> Any:
    """What an input of a bound graph says."""
    return bound.graph[node]["inputs"][name]


def way(bound: BoundGraph, node: str) -> list[tuple[str, float]]:
    """The LoRAs between a model's loader and a node, as the model passes them."""
    found: list[tuple[str, float]] = []
    at = value(bound, node, "model")[0]
    while bound.graph[at]["class_type"] == "LoraLoaderModelOnly":
        inputs = bound.graph[at]["inputs"]
        found.insert(0, (inputs["lora_name"].removesuffix(".safetensors"), inputs["strength_model"]))
        at = inputs["model"][0]
    assert bound.graph[at]["class_type"] == "UNETLoader"
    return found


def extremes(declaration: GraphDeclaration) -> Iterator[dict[str, Any]]:
    """Everything at its least, everything at its most."""
    for end in ("least", "most"):
        asked = {
            ASKED_AS.get(parameter.name, parameter.name.value): getattr(parameter, end)
            for parameter in declaration.parameters
            if parameter.type != "text" and parameter.name is not ParameterName.SPLIT
        }
        yield asked | {"prompt": "x" if end == "least" else "word " * 3_900, "negative": "" if end == "least" else "no"}


def test_the_shipped_graphs_are_these() -> None:
    assert shipped_graphs() == (
        "flux2_klein_edit",
        "hunyuan15_i2v",
        "hunyuan15_t2v",
        "wan22_fun_camera",
        "wan22_i2v",
        "z_image_turbo",
    )


@pytest.mark.parametrize("name", ["wan", "../video/wan22_i2v", ""])
def test_an_unknown_graph_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidRequest, match="is not one of flux2_klein_edit, hunyuan15_i2v"):
        load_graph(name)


@pytest.mark.parametrize("name", shipped_graphs())
def test_what_a_declaration_says_is_in_its_graph(name: str) -> None:
    template = load_graph(name)
    assert template.name == name
    assert template.declaration.models == model_files(template.graph)
    for parameter in template.declaration.parameters:
        said = [template.graph[place.node]["inputs"][place.input] for place in parameter.places]
        if parameter.default is None:
            assert all(is_link(one) for one in said)
        elif parameter.name is ParameterName.SEED:
            assert parameter.default in said
        else:
            assert set(said) == {parameter.default}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", shipped_graphs())
def test_a_graph_with_its_defaults_passes_the_checker(name: str, fast: bool, object_info: dict[str, Any]) -> None:
    assert check_graph(load_graph(name).trial(fast=fast).graph, object_info) == []


@pytest.mark.parametrize("name", shipped_graphs())
def test_a_graph_with_extreme_values_passes_the_checker(name: str, object_info: dict[str, Any]) -> None:
    declaration = load_graph(name).declaration
    pair = name in TWO_PASSES
    lora = (
        LoraPair(high="user_high.safetensors", low="user_low.safetensors") if pair else Lora(name="style.safetensors")
    )
    for asked in extremes(declaration):
        for fast in (False, True):
            bound = bind(name, **asked, fast=fast, loras=(lora,) * 3, camera=CameraMove.ORBIT, strength=1)
            assert check_graph(bound.graph, object_info) == []
            assert off_step(bound, object_info) == []


@pytest.mark.parametrize("name", shipped_graphs())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_range_is_made_to_fit(name: str, data: st.DataObject, object_info: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"camera": data.draw(st.sampled_from(CameraMove)), "strength": data.draw(st.floats(0, 1))}
    for parameter in load_graph(name).declaration.parameters:
        if parameter.type != "text" and parameter.name is not ParameterName.SPLIT:
            assert parameter.least is not None and parameter.most is not None
            whole = parameter.type == "integer"
            between = st.integers if whole else st.floats
            asked[ASKED_AS.get(parameter.name, parameter.name.value)] = data.draw(
                between(parameter.least, int(parameter.most) if whole else parameter.most)  # type: ignore[arg-type]  # two sorts of numbers
            )
    bound = bind(name, **asked)
    assert check_graph(bound.graph, object_info) == []
    assert off_step(bound, object_info) == []


def off_step(bound: BoundGraph, object_info: dict[str, Any]) -> list[str]:
    """Whole numbers between the steps of their input: a server takes them, and the node rounds them down."""
    found = []
    for node, content in bound.graph.items():
        groups = object_info[content["class_type"]]["input"]
        for name, spec in (groups["required"] | groups.get("optional", {})).items():
            said = content["inputs"].get(name)
            if spec[0] == "INT" and isinstance(said, int) and (said - spec[1]["min"]) % spec[1].get("step", 1):
                found.append(f"{node}.{name} {said}")
    return found


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize(("asked", "length"), [(5, 5), (80, 81), (81, 81), (82, 85), (318, 321), (321, 321)])
def test_a_length_is_raised_to_the_next_that_the_model_makes(name: str, asked: int, length: int) -> None:
    bound = bind(name, frames=asked)
    assert bound.frames == length
    assert bound.notes == (() if asked == length else (f"length {asked} → {length} (4n+1)",))


def test_a_length_below_the_least_is_raised_to_it_and_cut_later() -> None:
    bound = bind("wan22_i2v", seconds=0.05)
    assert (bound.frames, bound.notes) == (5, ("length 1 → 5 (4n+1)",))


@pytest.mark.parametrize(
    ("seconds", "fps", "length"), [(5, None, 81), (5.0625, None, 81), (5.063, None, 85), (1 / 3, 24, 9), (0.1, 60, 9)]
)
def test_seconds_become_enough_frames_to_cut_from(seconds: float, fps: float | None, length: int) -> None:
    bound = bind("wan22_i2v", seconds=seconds, fps=fps)
    assert bound.frames == length
    assert bound.frames >= seconds * (bound.fps or 0)


def test_both_sides_are_raised_to_a_multiple_of_16() -> None:
    bound = bind("z_image_turbo", width=1900, height=1080)
    assert (bound.width, bound.height) == (1904, 1088)
    assert bound.notes == ("width 1900 → 1904 (a multiple of 16)", "height 1080 → 1088 (a multiple of 16)")


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("wan22_i2v", {"frames": 322}, r"20.3 s are too long for this graph, at most 20 s \(321 frames, 16 per second"),
        ("wan22_i2v", {"seconds": 60}, r"60.1 s are too long .* make it shorter, or take a model that makes longer"),
        ("wan22_i2v", {"seconds": 14, "fps": 24}, r"14.0 s are too long for this graph, at most 13.3 s"),
        ("wan22_i2v", {"width": 128}, "wan22_i2v: width 128 is not between 256 and 1920"),
        ("z_image_turbo", {"cfg": 10.1}, "z_image_turbo: cfg 10.1 is not between 0 and 10"),
        ("wan22_i2v", {"steps": 1}, "wan22_i2v: steps 1 is not between 2 and 100"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        bind(name, **asked)


def test_what_a_graph_has_not_is_left_out_and_said() -> None:
    bound = bind("z_image_turbo", negative="blurry", seconds=5, fps=24, fast=True, camera="truck")
    assert bound.notes == (
        "fast left out: z_image_turbo has no few-step LoRAs",
        "seconds left out: z_image_turbo makes pictures",
        "negative left out: z_image_turbo has none",
        "fps left out: z_image_turbo has none",
        "camera truck: z_image_turbo has no numbers for it, only the prompt can say it",
    )
    assert (bound.kind, bound.frames, bound.fps) == ("image", None, None)


def test_prompt_negative_seed_and_prefix_are_where_they_belong() -> None:
    bound = bind("wan22_i2v", prompt='a "quoted" cat {x}', negative="dogs", seed=BIGGEST_SEED)
    assert value(bound, "93", "text") == 'a "quoted" cat {x}'
    assert value(bound, "89", "text") == "dogs"
    assert value(bound, "86", "noise_seed") == BIGGEST_SEED
    assert value(bound, bound.output_node, "filename_prefix") == "longtake/take/1"
    assert bound.graph[bound.output_node]["class_type"] == "SaveVideo"
    assert value(bound, "97", "image") == "in/1.png"


def test_binding_leaves_the_template_as_it_was() -> None:
    before = load_graph("wan22_i2v").model_dump_json()
    bind("wan22_i2v", fast=True, loras=(LoraPair(high="a"),), width=512)
    assert load_graph("wan22_i2v").model_dump_json() == before


@pytest.mark.parametrize("name", TWO_PASSES)
@pytest.mark.parametrize(("steps", "split"), [(2, 1), (20, 10), (21, 10), (100, 50)])
def test_the_second_pass_begins_at_half_of_the_steps(name: str, steps: int, split: int) -> None:
    bound = bind(name, steps=steps, cfg=2.5)
    high, low = passes(bound)
    assert (high["steps"], high["start_at_step"], high["end_at_step"], high["cfg"]) == (steps, 0, split, 2.5)
    assert (low["steps"], low["start_at_step"], low["end_at_step"], low["cfg"]) == (steps, split, 10_000, 2.5)
    assert bound.notes == ((f"steps {steps}: {split} in the first pass, {steps - split} in the second",) * (steps % 2))


@pytest.mark.parametrize("name", TWO_PASSES)
def test_the_fast_way_has_four_steps_and_its_own_loras_whatever_else_is_asked(name: str) -> None:
    bound = bind(name, fast=True, steps=20, cfg=3.5)
    high, low = passes(bound)
    assert (high["steps"], high["end_at_step"], high["cfg"]) == (4, 2, 1)
    assert (low["steps"], low["start_at_step"], low["cfg"]) == (4, 2, 1)
    assert bound.notes == ("fast: 4 steps, cfg 1, whatever else was asked for",)
    assert [file.name.removesuffix(".safetensors") for file in bound.model_files if file.folder == "loras"] == [
        *FEW.values()
    ]
    assert bind(name, fast=True).notes == ()


def passes(bound: BoundGraph) -> list[dict[str, Any]]:
    """The inputs of both samplers, high noise first."""
    found = [content for content in bound.graph.values() if content["class_type"] == "KSamplerAdvanced"]
    return [content["inputs"] for content in sorted(found, key=lambda content: content["inputs"]["start_at_step"])]


A, B, C = LoraPair(high="a_h", low="a_l", strength=0.5), LoraPair(low="b_l"), LoraPair(high="c_h", strength=2)


@pytest.mark.parametrize(
    ("loras", "high", "low"),
    [
        ((), [], []),
        ((A,), [("a_h", 0.5)], [("a_l", 0.5)]),
        ((B,), [], [("b_l", 1.0)]),
        ((C,), [("c_h", 2.0)], []),
        ((A, B, C), [("a_h", 0.5), ("c_h", 2.0)], [("a_l", 0.5), ("b_l", 1.0)]),
        ((A, A, A), [("a_h", 0.5)] * 3, [("a_l", 0.5)] * 3),
    ],
)
@pytest.mark.parametrize("fast", [False, True])
def test_lora_pairs_stand_in_each_models_way_in_their_order(
    loras: tuple[LoraPair, ...], high: list[Any], low: list[Any], fast: bool
) -> None:
    for name, at_high, at_low in (("wan22_i2v", "104", "103"), ("wan22_fun_camera", "100", "101")):
        bound = bind(name, loras=loras, fast=fast)
        assert way(bound, at_high) == [(FEW["high"], 1.0)] * fast + high
        assert way(bound, at_low) == [(FEW["low"], 1.0)] * fast + low
        assert len([file for file in bound.model_files if file.folder == "loras"]) == len(high) + len(low) + 2 * fast


def test_a_graph_with_one_model_chains_single_loras() -> None:
    bound = bind("z_image_turbo", loras=(Lora(name="one"), Lora(name="two", strength=0.25)))
    assert way(bound, "11") == [("one", 1.0), ("two", 0.25)]


@pytest.mark.parametrize(
    ("name", "lora", "message"),
    [
        ("wan22_i2v", Lora(name="one"), "a LoRA of this graph is a pair of files for high and low noise \\(one\\)"),
        ("z_image_turbo", A, "a LoRA of this graph is one file, not a pair"),
    ],
)
def test_a_lora_of_the_wrong_sort_is_refused(name: str, lora: Lora | LoraPair, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        bind(name, loras=(lora,))


@pytest.mark.parametrize("count", [1, 2, 4, 10])
def test_every_reference_is_added_to_both_conditionings(count: int, object_info: dict[str, Any]) -> None:
    bound = bind("flux2_klein_edit", pictures=count, width=1920, height=1088)
    assert check_graph(bound.graph, object_info) == []
    for conditioning in ("positive", "negative"):
        assert pictures_of(bound, value(bound, "63", conditioning)[0]) == [f"in/{n}.png" for n in range(1, count + 1)]


def pictures_of(bound: BoundGraph, node: str) -> list[str]:
    """The pictures of a chain of ReferenceLatent that ends in this node, first one first."""
    found: list[str] = []
    while bound.graph[node]["class_type"] == "ReferenceLatent":
        scaled = value(bound, value(bound, node, "latent")[0], "pixels")[0]
        found.insert(0, value(bound, value(bound, scaled, "image")[0], "image"))
        node = value(bound, node, "conditioning")[0]
    assert bound.graph[node]["class_type"] == "CLIPTextEncode"
    return found


def test_without_a_size_an_edit_is_as_large_as_its_first_picture() -> None:
    bound = bind("flux2_klein_edit")
    assert (bound.width, bound.height) == (None, None)
    assert value(bound, "66", "width") == value(bound, "62", "width") == ["100", 0]


def test_half_a_size_is_refused_where_the_picture_gives_the_other_half() -> None:
    with pytest.raises(InvalidRequest, match="say width and height, or neither"):
        bind("flux2_klein_edit", width=1920)


def test_nodes_that_lead_nowhere_are_left_out() -> None:
    assert "100" in bind("flux2_klein_edit").graph
    assert "100" not in bind("flux2_klein_edit", width=1920, height=1088).graph


@pytest.mark.parametrize(
    ("name", "pictures", "message"),
    [
        ("z_image_turbo", 1, "z_image_turbo takes no pictures, not 1"),
        ("wan22_i2v", 0, "wan22_i2v takes one picture, not 0"),
        ("wan22_i2v", 2, "wan22_i2v takes one picture, not 2"),
        ("flux2_klein_edit", 0, "flux2_klein_edit takes 1 to 10 pictures, not 0"),
        ("flux2_klein_edit", 11, "flux2_klein_edit takes 1 to 10 pictures, not 11"),
    ],
)
def test_too_few_or_too_many_pictures_are_refused(name: str, pictures: int, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        bind(name, pictures=pictures)


def test_another_frame_rate_is_told_to_change_the_motion() -> None:
    bound = bind("wan22_i2v", fps=24)
    assert (bound.fps, value(bound, "94", "fps")) == (24, 24)
    assert bound.notes == ("fps 24 instead of 16: motion 1.5 times as fast",)


@pytest.mark.parametrize("name", shipped_graphs())
def test_a_template_survives_being_stored(name: str) -> None:
    template = load_graph(name)
    assert GraphTemplate.model_validate_json(template.model_dump_json()) == template
