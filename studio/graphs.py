"""ComfyUI graphs as people choose them: which would run on a server, which makes a film's clips, adding one's own."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from comfy_workflows.check import check_graph, serious
from comfy_workflows.complaints import Complaint, MissingModel, MissingNode, UnknownInput
from comfy_workflows.declaration import GraphType, ParameterName
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
from studio.styles import choose_model, chosen_style, works_with

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
    """What the server would silently ignore."""
    fast: bool | None = None
    """Would it run with its few-step LoRAs? None: it has none."""
    missing_for_fast: tuple[tuple[str, str], ...] = ()
    """Model files that only this needs and the server has not."""


def standing(template: GraphTemplate, object_info: ObjectInfo) -> Standing:
    """Compare a graph, bound with its defaults, with what a server has.

    Raises:
        InvalidRequest: it cannot be bound.
    """
    found = check_graph(template.trial().graph, object_info)
    bad = serious(found)
    quick = serious(check_graph(template.trial(fast=True).graph, object_info)) if template.declaration.fast else []
    return Standing(
        name=template.name,
        title=template.declaration.title,
        type=template.declaration.type,
        runs=not bad,
        missing_nodes=_unique(one.class_type for one in bad if isinstance(one, MissingNode)),
        missing_models=_files(bad),
        complaints=tuple(map(str, bad)),
        remarks=tuple(str(one) for one in found if isinstance(one, UnknownInput)),
        fast=not quick if template.declaration.fast else None,
        missing_for_fast=tuple(file for file in _files(quick) if file not in _files(bad)),
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
    """What films and sentences may name: the models of the table, then the shipped graphs that have no row there.

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
class Casting:
    """What makes the clips of a film by ComfyUI."""

    model: GenerationModel
    own: GraphTemplate | None
    """The model's graph, when it is a user's own."""
    style: VisualStyle | None


def clip_model(models: Sequence[GenerationModel], name: str | None, style: VisualStyle | None) -> GenerationModel:
    """The model of a film's clips: one that was added, by its id, or any shipped graph, by its name.

    Raises:
        InvalidRequest: there is none of this name, or it makes something else; `model: …` or `style: …`.
    """
    offered = offered_models(models)
    if name is None:
        try:
            return choose_model(offered, ModelCategory.VIDEO, style=style, references=1)
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


def film_style(styles: Sequence[VisualStyle], name: str | None) -> VisualStyle | None:
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
        InvalidRequest: the name is that of a graph or model of ours, or it makes what no model makes.
    """
    ours = {model.id for model in await models.models() if model.graph_file is None}
    if template.name in ours or template.name in shipped_graphs():
        raise InvalidRequest(f"name: {template.name} comes with Longtake, choose another one")
    text = template.model_dump_json().encode()
    key = keys.graph_key(template.name, hashlib.sha256(text).hexdigest())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.json"
        path.write_bytes(text)
        model = _model_of(template).model_copy(update={"graph_file": await objects.put(path, key, MIME)})
    await models.put_model(model)
    return model


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
