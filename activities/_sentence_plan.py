"""How the picture or the clip of a sentence would be made today."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path

from activities._scratch import scratch
from activities._sentence_stores import SentenceStores
from comfy_workflows.declaration import ParameterName
from comfy_workflows.graph import TRIAL_IMAGE, GraphTemplate, load_graph
from comfy_workflows.identity import digest_of_shipped
from studio.contracts.clip import CameraMove
from studio.contracts.model import GenerationModel, ModelCategory
from studio.contracts.project import Project, ProjectName, Sentence, SentenceId
from studio.contracts.rendering import GraphToRender
from studio.contracts.take import RenderParts
from studio.errors import InvalidRequest
from studio.graphs import offered_models, stored
from studio.media.length import audio_seconds, frames_for
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.places import lasting_file
from studio.sentences import Offer, Ordered, camera_of, chosen_move, clip_of, image_choices, picture_of
from studio.takes import digest_of_render


@dataclass(frozen=True)
class Planned:
    """A picture or a clip, completely described."""

    order: GraphToRender
    parts: RenderParts

    @property
    def loads(self) -> str:
        """What a server has to have loaded for it: the same text, nothing to load between the two."""
        told = self.parts.parameters
        return f"{self.parts.graph_sha256} {told.fast} {[lora.model_dump_json() for lora in told.loras]}"


class Planner:
    """Plans for one project, with what is offered at the moment."""

    def __init__(self, project: Project, offer: Offer, stores: SentenceStores, objects: ObjectStore) -> None:
        self._project = project
        self._offer = offer
        self._models = stores.models
        self._objects = objects

    async def plan(self, sentence: Sentence, category: ModelCategory, work_dir: Path) -> Planned:
        """How it is made: the graph, what it is told, and the digest of all that.

        Raises:
            InvalidRequest: it cannot be made: no picture for a clip, a choice that does not go with another one.
            BadSound, MediaMissing, MediaChanged: the speech cannot be read.
        """
        if category is ModelCategory.IMAGE:
            return await self._picture(sentence)
        return await self._clip(sentence, work_dir)

    async def _picture(self, sentence: Sentence) -> Planned:
        characters = image_choices(sentence, self._project).characters
        references = await self._models.references(sentence.channel, characters) if characters else ()
        ordered = picture_of(sentence, self._project, self._offer, references)
        return _planned(sentence, ordered, await self._template(ordered.model))

    async def _clip(self, sentence: Sentence, work_dir: Path) -> Planned:
        sentence = sentence.model_copy(update={"image_file": lasting_file(sentence, ModelCategory.IMAGE)})
        # Asked twice: which model it is, and how it is made at that model's pace.
        model = clip_of(sentence, self._project, self._offer, frames=1, fps=1).model
        template = await self._template(model)
        fps = template.declaration.fps
        if fps is None:
            raise InvalidRequest(f"{template.name} does not say its frames per second: mark them with in:fps")
        kept = frames_for(await self._speech(sentence, work_dir), fps)
        length = template.declaration.parameter(ParameterName.LENGTH)
        frames = max(kept, math.ceil(length.least or 1)) if length else kept
        camera = camera_of(
            sentence,
            numbers=template.declaration.camera is not None,
            in_words=template.camera_in_words(chosen_move(sentence)),
        )
        ordered = clip_of(sentence, self._project, self._offer, frames=frames, fps=fps, camera=camera)
        return _planned(sentence, ordered, template, kept)

    async def _speech(self, sentence: Sentence, work_dir: Path) -> float | None:
        """How long the sentence is spoken; None: it is not."""
        if sentence.audio_file is None:
            return None
        keys.ensure_of_channel(sentence.channel, sentence.audio_file, field="audio_file")
        with scratch(work_dir) as folder:
            return await asyncio.to_thread(audio_seconds, await self._objects.fetch(sentence.audio_file, folder / "a"))

    async def _template(self, model: GenerationModel) -> GraphTemplate:
        return load_graph(model.graph) if model.graph_file is None else await stored(model.graph_file, self._objects)


async def planner_for(name: ProjectName, stores: SentenceStores, objects: ObjectStore) -> Planner:
    """The planner of a project.

    Raises:
        InvalidRequest: there is no such project.
    """
    project = await stores.projects.project(name.channel, name.project_id)
    if project is None:
        raise InvalidRequest(f"project_id: channel {name.channel} has no project {name.project_id}")
    offer = Offer(models=offered_models(await stores.models.models()), styles=await stores.models.styles())
    return Planner(project, offer, stores, objects)


def _planned(sentence: Sentence, ordered: Ordered, template: GraphTemplate, frames: int | None = None) -> Planned:
    told, model = ordered.parameters, ordered.model
    keys.ensure_of_channel(sentence.channel, told, field="images")
    # What the graph would refuse is refused here, before anybody waits for a GPU.
    bound = template.bind(told, images=[TRIAL_IMAGE] * len(told.images), prefix="trial")
    if bound.kind != model.category:
        raise InvalidRequest(
            f"model {model.id} is for {model.category}, and its graph {model.graph} makes {bound.kind}"
        )
    digest = model.graph_file.sha256 if model.graph_file else digest_of_shipped(model.graph)
    parts = RenderParts(graph=model.graph, graph_sha256=digest, parameters=told, frames=frames, variant=ordered.variant)
    order = GraphToRender(
        channel=sentence.channel,
        take=digest_of_render(parts),
        graph=model.graph,
        own=model.graph_file,
        graph_sha256=digest,
        variant=ordered.variant,
        parameters=told,
        clip=SentenceId(channel=sentence.channel, project_id=sentence.project_id, sentence_id=sentence.sentence_id),
        moving=told.camera is not CameraMove.STATIC,
        kept_frames=frames,
    )
    return Planned(order, parts)
