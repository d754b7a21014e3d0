"""Files as people have them: wrapped, written by scripts, with nodes that no server knows."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from comfy_workflows.graph import GraphTemplate
from comfy_workflows.own import read_own_graph
from studio.errors import InvalidRequest
from tests.comfy_workflows.conftest import own_clip_graph

Graph = dict[str, Any]
CURE = "custom node is missing there. Install it"


def read(content: object) -> GraphTemplate:
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    return read_own_graph(text, name="mine")


def changed(change: Callable[[Graph], Any]) -> Graph:
    graph = own_clip_graph()
    change(graph)
    return graph


def test_what_only_wraps_a_graph_is_taken_off() -> None:
    graph, plain = own_clip_graph(), read(own_clip_graph())
    saved = {"nodes": [{"id": 1}], "links": []}
    wrapped: list[object] = [
        {"prompt": graph, "client_id": "a"},
        {"output": graph, "workflow": saved},
        {"workflow": saved, "output": graph},
        {"input": {"workflow": graph, "images": [{"name": "x"}]}},
        {"input": {"prompt": graph}},
        {"prompt": json.dumps(graph), "workflow": json.dumps(saved)},
        {"0f1e": {"prompt": [3, "0f1e", graph, {"client_id": "a"}, ["108"]], "outputs": {}}},
        [graph],
        {"workflow": graph, "api": copy.deepcopy(graph)},
        {"_comment": "made by hand", "version": 0.4, "extra": {"ds": 1}, "list": [1], **graph},
        b"\xef\xbb\xbf" + json.dumps(graph).encode(),
        json.dumps(graph).encode("utf-16"),
    ]
    for number, content in enumerate(wrapped):
        assert read(content) == plain, number


def test_a_file_with_two_graphs_or_only_the_editors_is_refused() -> None:
    other = changed(lambda graph: graph["98"]["inputs"].update(length=33))
    with pytest.raises(InvalidRequest, match="holds 2 graphs"):
        read({"a": own_clip_graph(), "b": other})
    saved: list[Any] = [{"nodes": []}, {"workflow": {"nodes": []}}, {"workflow": json.dumps({"nodes": []})}]
    for content in saved:
        with pytest.raises(InvalidRequest, match=r"as the editor saves it.*Export \(API\)"):
            read(content)
    others: list[Any] = [{"1": 5}, {"prompt": {"1": 5}}, {"a": {"b": {"c": {"d": {"e": own_clip_graph()}}}}}]
    for content in others:
        with pytest.raises(InvalidRequest, match="not a graph in API format"):
            read(content)


def test_spellings_that_mean_only_one_thing_are_taken() -> None:
    plain = read(own_clip_graph())

    def links_as_numbers(graph: Graph) -> None:
        for content in graph.values():
            for key, value in content["inputs"].items():
                if isinstance(value, list):
                    content["inputs"][key] = [int(value[0]), float(value[1])]

    def slots_as_texts(graph: Graph) -> None:
        graph["87"]["inputs"]["samples"] = ["85", "0"]

    def results_of_a_run(graph: Graph) -> None:
        graph["97"]["is_changed"] = [float("nan")]
        graph["86"]["is_changed"] = float("inf")

    for change in (links_as_numbers, slots_as_texts, results_of_a_run):
        assert read(changed(change)) == plain, change.__name__
    metas: list[Any] = [None, {}, {"title": None}, [], "VAE", 5]
    for meta in metas:
        got = read(changed(lambda graph, meta=meta: graph["90"].update(_meta=meta)))  # type: ignore[misc]
        assert got.declaration == plain.declaration, meta
        assert "_meta" not in got.graph["90"]


def test_a_marked_number_may_be_a_text() -> None:
    template = read(changed(lambda graph: graph["98"]["inputs"].update(length="81", width=" 832 ")))
    assert {one.name.value: one.default for one in template.declaration.parameters}["length"] == 81
    with pytest.raises(InvalidRequest, match="in:length: length of node 98 is '81 frames', not a number"):
        read(changed(lambda graph: graph["98"]["inputs"].update(length="81 frames")))


def test_no_number_is_named_by_node_and_key_where_it_leads_to_the_output() -> None:
    for value, word in ((float("nan"), "NaN"), (float("inf"), "Infinity"), (-float("inf"), "-Infinity")):
        for inside in (value, [value, 1, 2], {"a": [value]}):
            graph = changed(lambda graph, inside=inside: graph["104"]["inputs"].update(shift=inside))  # type: ignore[misc]
            with pytest.raises(InvalidRequest, match=rf"node 104 .*: shift is {word}, which is no number"):
                read(graph)
    text = json.dumps(own_clip_graph()).replace('"shift": 5.0', f'"shift": 1{"0" * 400}', 1)
    with pytest.raises(InvalidRequest, match="shift is Infinity, which is no number"):
        read(text)
    loose = {"class_type": "PreviewImage", "inputs": {"images": ["87", 0], "x": float("nan")}}
    assert read(own_clip_graph() | {"300": loose}) == read(own_clip_graph())


def test_a_node_without_a_class_is_named_with_the_cure_and_a_loose_one_is_cut() -> None:
    for class_type in (None, "", 5):
        unknown = {"inputs": {"UNKNOWN": ["87", 0]}, "class_type": class_type, "_meta": {"title": None}}
        assert read(own_clip_graph() | {"300": unknown}) == read(own_clip_graph())

        def between(graph: Graph, unknown: Graph = unknown) -> None:
            graph["300"] = unknown
            graph["94"]["inputs"]["images"] = ["300", 0]

        with pytest.raises(InvalidRequest, match=f"^node 300: has no class: .*{CURE}"):
            read(changed(between))
    with pytest.raises(InvalidRequest, match=f'node 108 "out:video": has no class.*{CURE}'):
        read(changed(lambda graph: graph["108"].update(class_type=None)))


@pytest.mark.parametrize(
    ("class_type", "words"),
    [
        ("Reroute", "editor only"),
        ("PrimitiveNode", "editor only"),
        ("Note", "editor only"),
        ("MarkdownNote", "editor only"),
        ("GetNode", "editor only"),
        ("Fast Groups Bypasser (rgthree)", "editor only"),
        ("0f1e2d3c-0000-4000-8000-123456789abc", "is a subgraph"),
        ("workflow>upscale", "is a group node"),
    ],
)
def test_a_node_of_the_editor_is_named_as_such_and_a_loose_one_is_cut(class_type: str, words: str) -> None:
    node = {"class_type": class_type, "inputs": {"": ["87", 0]}}
    assert read(own_clip_graph() | {"300": node}) == read(own_clip_graph())
    graph = changed(lambda graph: graph["94"]["inputs"].update(images=["300", 0]))
    with pytest.raises(InvalidRequest, match=rf"node 300 .*{words}.*Export \(API\)"):
        read(graph | {"300": node})


def test_a_link_that_leads_nowhere_is_found_without_a_server() -> None:
    for link in (["999", 0], [999, 0], [999, 0.0]):
        with pytest.raises(InvalidRequest, match=r"node 87 \(VAEDecode\)|node 87 .*samples comes from node 999"):
            read(changed(lambda graph, link=link: graph["87"]["inputs"].update(samples=link)))  # type: ignore[misc]
    loose = {"class_type": "PreviewImage", "inputs": {"images": ["999", 0]}}
    assert read(own_clip_graph() | {"300": loose}) == read(own_clip_graph())


def test_a_key_that_stands_twice_is_refused_by_its_name() -> None:
    text = json.dumps(own_clip_graph())
    node = json.dumps({"class_type": "VAEDecode", "inputs": {}})
    for twice, words in (
        (text[:-1] + f', "87": {node}}}', "node 87 stands in this file twice"),
        (text.replace('"steps": 20', '"steps": 20, "steps": 4', 1), "node 86: steps stands in this file twice"),
        (text.replace('"class_type": "VAEDecode"', '"class_type": "A", "class_type": "B"'), "node 87: class_type"),
        (f'{{"prompt": {text}, "prompt": {text}}}', "prompt stands in this file twice"),
        (f'{{"prompt": {text[:-1]}, "87": {node}}}}}', "node 87 stands in this file twice"),
        (json.dumps({"prompt": text[:-1] + f', "87": {node}}}'}), "node 87 stands in this file twice"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            read(twice)


def test_markers_are_read_in_the_writing_of_their_languages() -> None:
    plain = read(own_clip_graph()).declaration
    colon = wide(":")
    for title in (
        f"in{colon}prompt",
        wide("in:prompt"),
        "提示词in:prompt",
        "in:prompt提示词",
        f"【in{colon}prompt】",
        "in:pro\u200bmpt",
        f"{wide('(')}in:prompt{wide(')')}",
    ):
        got = read(changed(lambda graph, title=title: graph["93"]["_meta"].update(title=title))).declaration  # type: ignore[misc]
        assert got.parameters == plain.parameters, title
    for title in (f"放大in{colon}慢慢", f"zoom in{colon} slowly"):
        read(changed(lambda graph, title=title: graph["104"]["_meta"].update(title=title)))  # type: ignore[misc]


def wide(text: str) -> str:
    """The full-width forms."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)
