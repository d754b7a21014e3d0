"""ComfyUI graphs as people choose them: which would run on a server, which makes a video's clips, adding one's own."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from comfy_workflows.check import check_graph, missing_uploads, serious
from comfy_workflows.complaints import Complaint, MissingModel, MissingNode
from comfy_workflows.declaration import GraphDeclaration, GraphType, ParameterName
from comfy_workflows.graph import GraphTemplate, load_graph, shipped_graphs
from comfy_workflows.own import read_own_graph
from comfy_workflows.schema import ObjectInfo
from studio.contracts.base import MediaRef
from studio.contracts.complaint import complaint
from studio.contracts.model import GenerationModel, ModelCategory, ModelType, VisualStyle
from studio.contracts.project import RenderChoices
from studio.errors import InvalidRequest, MediaChanged, MediaMissing
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.store.models import ModelStore
from studio.styles import choose_model, chosen_style, style_loras, works_with

MIME = "application/json"

T = TypeVar("T")


@dataclass(frozen=True)
class Standing:
    """Whether a graph would run on a server, and what is in its way."""

    name: str
    title: str
    type: str
    runs: bool = False
    missing_nodes: tuple[str, ...] = ()
    missing_models: tuple[tuple[str, str], ...] = ()
    """Folder below the server's `models` (empty: nobody knows) and name."""
    complaints: tuple[str, ...] = ()
    """Everything that is in its way, as people read it."""
    remarks: tuple[str, ...] = ()
    """What may be in its way, or would silently be ignored: whole sentences."""
    fast: bool | None = None
    """Would it run with its few-step LoRAs? None: it has none."""
    missing_for_fast: tuple[tuple[str, str], ...] = ()
    """Model files that only this needs and the server has not."""
    complaints_for_fast: tuple[str, ...] = ()
    """Everything that is in the way of this alone, as people read it."""


def standing(template: GraphTemplate, object_info: ObjectInfo) -> Standing:
    """Compare a graph, bound with its defaults, with what a server has.

    Raises:
        InvalidRequest: it cannot be bound.
    """
    graph = template.trial().graph
    found = check_graph(graph, object_info)
    bad = serious(found)
    quick = serious(check_graph(template.trial(fast=True).graph, object_info)) if template.declaration.fast else []
    unsure = [one for one in found if not one.certain]
    unsure += missing_uploads(graph, object_info, template.declaration.images)
    return Standing(
        name=template.name,
        title=template.declaration.title,
        type=template.declaration.type,
        runs=not bad,
        missing_nodes=_unique(one.class_type for one in bad if isinstance(one, MissingNode)),
        missing_models=_files(bad),
        complaints=tuple(map(str, bad)),
        remarks=tuple(one.remark for one in unsure),
        fast=not quick if template.declaration.fast else None,
        missing_for_fast=tuple(file for file in _files(quick) if file not in _files(bad)),
        complaints_for_fast=tuple(str(one) for one in quick if one not in bad),
    )


def shipped() -> list[GraphTemplate]:
    """The graphs that come with Longtake."""
    return [load_graph(name) for name in shipped_graphs()]


async def standing_of_added(model: GenerationModel, objects: ObjectStore, object_info: ObjectInfo) -> Standing:
    """The same for a graph that was added; also one that cannot be read any more."""
    assert model.graph_file is not None
    try:
        return standing(await stored(model.graph_file, objects), object_info)
    except (MediaMissing, MediaChanged, InvalidRequest) as error:
        return Standing(model.id, model.name, model.type, complaints=(str(error),))


def offered_models(rows: Sequence[GenerationModel]) -> list[GenerationModel]:
    """What videos and sentences may name: the models of the table, then the shipped graphs that have no row there.

    A row says how its graph is offered, also that it is not offered any more. Graphs that make what no model makes,
    clips of words alone, are left out.
    """
    known = {model.id for model in rows}
    further = [template for template in shipped() if template.name not in known]
    return [*rows, *(_model_of(one) for one in further if one.declaration.type is not GraphType.TEXT_TO_VIDEO)]


def read_graph(text: bytes, name: str, object_info: ObjectInfo | None) -> GraphTemplate:
    """A user's own graph from a file; `object_info` gives its parameters their ranges.

    Raises:
        InvalidRequest: another format, or titles that say nothing or something wrong.
    """
    return read_own_graph(text, name=name, object_info=object_info)


@dataclass(frozen=True)
class Reach:
    """What of a user's own graph can be set, by its markers."""

    sets: tuple[str, ...]
    keeps: tuple[str, ...]
    """What is always as the file has it."""
    warnings: tuple[str, ...]
    """What is missing that hardly anybody leaves out on purpose."""


def reach(template: GraphTemplate, *, checked: bool) -> Reach:
    """What can be set; `checked`: its ranges and steps are those of a server's nodes."""
    declaration = template.declaration
    settable = [name for name in ParameterName if _concerns(name, declaration)]
    sets = [name.value for name in settable if declaration.parameter(name)]
    pictures = len(declaration.images)
    if pictures:
        sets.append("the picture" if pictures == 1 else f"{pictures} pictures")
    warnings = [words for name, words in _NEEDED.items() if declaration.parameter(name) is None]
    length = declaration.parameter(ParameterName.LENGTH)
    if length is not None and length.step == 1 and not checked:
        warnings.append("no server was asked which lengths it makes, and one it does not make is refused once rendered")
    keeps = tuple(name.value for name in settable if declaration.parameter(name) is None)
    return Reach(tuple(sets), keeps, tuple(warnings))


_NEEDED = {
    ParameterName.PROMPT: "no node is titled in:prompt, so every result shows what the file says",
    ParameterName.SEED: "no node is titled in:seed, so every try at the same thing gives the same result",
}


_LENGTHS = (ParameterName.LENGTH, ParameterName.SECONDS)
"""Two ways to say the same: a graph has one of them."""


def _concerns(name: ParameterName, declaration: GraphDeclaration) -> bool:
    of_clips = name in (ParameterName.LENGTH, ParameterName.SECONDS, ParameterName.FPS)
    if name in _LENGTHS and any(declaration.parameter(other) for other in _LENGTHS if other is not name):
        return False
    if name is ParameterName.SECONDS and declaration.parameter(name) is None:
        return False
    return name is not ParameterName.SPLIT and (not of_clips or declaration.output.kind == "video")


@dataclass(frozen=True)
class Casting:
    """What makes the clips of a video by ComfyUI."""

    model: GenerationModel
    own: GraphTemplate | None
    """The model's graph, when it is a user's own."""
    style: VisualStyle | None


def clip_model(models: Sequence[GenerationModel], name: str | None, style: VisualStyle | None) -> GenerationModel:
    """The model of a video's clips: one that was added, by its id, or any shipped graph, by its name.

    Raises:
        InvalidRequest: there is none of this name, or it makes something else; `model: …` or `style: …`.
    """
    offered = offered_models(models)
    if name is None:
        try:
            return choose_model(_taking_loras_of(style, offered), ModelCategory.VIDEO, style=style, references=1)
        except InvalidRequest as error:
            raise InvalidRequest(f"{'style' if style else 'model'}: {error}") from None
    try:
        if name in shipped_graphs() and all(model.id != name for model in offered):
            _model_of(load_graph(name))  # says why it is none
        chosen = choose_model(offered, ModelCategory.VIDEO, model_id=name, references=1)
    except InvalidRequest as error:
        raise InvalidRequest(f"model: {str(error).removeprefix('model_id: ')}") from None
    if style is not None and not works_with(style, chosen):
        good = ", ".join(style.compatible_models)
        raise InvalidRequest(f"style: {style.name} does not work with model {chosen.id}; it works with {good}")
    return chosen


def _taking_loras_of(style: VisualStyle | None, models: list[GenerationModel]) -> list[GenerationModel]:
    """The models of clips that the style's LoRA can be put into, or all, if there is none: one of them says why not."""
    if style is None or not style_loras(style):
        return models
    clips = [model for model in models if model.active and model.category is ModelCategory.VIDEO]
    return [model for model in clips if works_with(style, model) and _takes_single_loras(model)] or models


def _takes_single_loras(model: GenerationModel) -> bool:
    """A style's LoRA is one file; a graph of two passes takes pairs, and a user's own graph takes none."""
    own = model.graph_file is not None or model.graph not in shipped_graphs()
    return not own and any(place.side == "only" for place in load_graph(model.graph).declaration.loras)


def video_style(styles: Sequence[VisualStyle], name: str | None) -> VisualStyle | None:
    """A style by its name or id.

    Raises:
        InvalidRequest: there is none, or it is not offered any more; `style: …`.
    """
    return chosen_style(styles, RenderChoices(style=name)) if name is not None else None


async def stored(graph: MediaRef, objects: ObjectStore) -> GraphTemplate:
    """A user's own graph from the object store.

    Raises:
        MediaMissing, MediaChanged: it is not there as it was added.
        InvalidRequest: it is no graph.
    """
    try:
        return GraphTemplate.model_validate_json(await objects.read(graph))
    except ValidationError:
        raise InvalidRequest(f"{graph.key} is no graph that was added with `comfy add`") from None


async def add_graph(template: GraphTemplate, models: ModelStore, objects: ObjectStore) -> GenerationModel:
    """Keep a user's own graph and offer it as a model. One of this name is replaced; what it has made stays.

    Raises:
        InvalidRequest: the name is that of a graph or model of ours, or it makes what no model makes, or cannot be
            told what every clip is told.
    """
    ours = {model.id for model in await models.models() if model.graph_file is None}
    if template.name in ours or template.name in shipped_graphs():
        raise InvalidRequest(f"name: {template.name} comes with Longtake, choose another one, --name")
    if template.declaration.type is GraphType.IMAGE_TO_VIDEO:
        _ensure_makes_clips(template.declaration)
    text = template.model_dump_json().encode()
    key = keys.graph_key(template.name, hashlib.sha256(text).hexdigest())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.json"
        path.write_bytes(text)
        model = _model_of(template).model_copy(update={"graph_file": await objects.put(path, key, MIME)})
    await models.put_model(model)
    return model


def _ensure_makes_clips(declaration: GraphDeclaration) -> None:
    """A video and a sentence say of every clip how long it is, and start it from one picture."""
    if len(declaration.images) > 1:
        raise InvalidRequest(
            f"{declaration.name} takes {len(declaration.images)} pictures, and a clip is made of one: title only the "
            "node of the start picture in:image, the others stay as the file has them"
        )
    if all(declaration.parameter(name) is None for name in (ParameterName.LENGTH, ParameterName.SECONDS)):
        raise InvalidRequest(
            f"{declaration.name} cannot be told how long a clip is: title the node that has its frames in:length, or "
            "the one that has its duration in:seconds"
        )
    if declaration.fps is None:
        raise InvalidRequest(
            f"{declaration.name} does not say its frames per second: title the node that has them in:fps"
        )


def _model_of(template: GraphTemplate) -> GenerationModel:
    declaration = template.declaration
    if declaration.type is GraphType.TEXT_TO_VIDEO:
        raise InvalidRequest(f"{template.name} makes clips of words alone; here a clip is made of a picture, in:image")
    kind = ModelType(declaration.type)
    steps, cfg = (_default(template, name) for name in (ParameterName.STEPS, ParameterName.CFG))
    try:
        return GenerationModel(
            id=template.name,
            name=declaration.title[:100],
            category=kind.category,
            type=kind,
            graph=template.name,
            default_steps=None if steps is None else int(steps),
            default_cfg=cfg,
        )
    except ValidationError as error:
        raise InvalidRequest(complaint(error)) from None


def _default(template: GraphTemplate, name: ParameterName) -> float | None:
    parameter = template.declaration.parameter(name)
    value = parameter.default if parameter else None
    return value if isinstance(value, (int, float)) else None


def _files(found: Sequence[Complaint]) -> tuple[tuple[str, str], ...]:
    return _unique((one.folder, one.name) for one in found if isinstance(one, MissingModel))


def _unique(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
