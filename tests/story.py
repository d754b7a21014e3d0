"""A project of a few small sentences, and whoever works on it."""

import asyncio
import io
import wave
from typing import Any

from PIL import Image
from temporalio.client import WorkflowHandle

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.model import Character, ModelCategory
from studio.contracts.project import Project, RenderChoices, Sentence, SentenceDraft, SentenceId
from studio.contracts.sentence import ProjectRequest, ProjectResult, SentenceOutcome, SentenceRequest
from studio.store.models import ModelStore
from studio.store.projects import ProjectStore
from tests.studio_at_work import StudioAtWork
from workflows_temporal.addresses import TaskQueue, clip_workflow_id, image_workflow_id, project_workflow_id
from workflows_temporal.image import ImageWorkflow
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.sentence_clip import ClipWorkflow

SMALL = RenderChoices(width=256, height=256)


class Story:
    """The project `story` of the channel `poke1`."""

    def __init__(self, studio: StudioAtWork) -> None:
        self.studio = studio
        self.projects = ProjectStore(studio.database)
        self.models = ModelStore(studio.database)

    def name(self, sentence_id: str = "s1") -> SentenceId:
        return SentenceId(channel="poke1", project_id="story", sentence_id=sentence_id)

    async def begin(self, *sentence_ids: str) -> None:
        await self.projects.put(Project(channel="poke1", project_id="story", image=SMALL, video=SMALL))
        for place, sentence_id in enumerate(sentence_ids):
            await self.write(sentence_id, position=place)

    async def write(self, sentence_id: str = "s1", **fields: Any) -> None:
        """Write a sentence, or change it."""
        said = {"text": f"Haunter floats past door {sentence_id}.", "camera_movement": CameraMove.PAN_LEFT} | fields
        await self.projects.put_sentences([SentenceDraft(**self.name(sentence_id).model_dump(), **said)])

    async def read(self, sentence_id: str = "s1") -> Sentence:
        found = await self.projects.sentence(self.name(sentence_id))
        assert found is not None
        return found

    async def flags(self, sentence_id: str = "s1") -> tuple[bool, bool]:
        found = await self.read(sentence_id)
        return found.is_image_dirty, found.is_video_dirty

    async def start_image(self, sentence_id: str = "s1", **fields: Any) -> WorkflowHandle[Any, SentenceOutcome]:
        request = SentenceRequest(**self.name(sentence_id).model_dump(), **fields)
        name = image_workflow_id("poke1", "story", sentence_id)
        return await self.studio.temporal.start_workflow(
            ImageWorkflow.run, request, id=name, task_queue=TaskQueue.STUDIO
        )

    async def image(self, sentence_id: str = "s1", **fields: Any) -> SentenceOutcome:
        return await (await self.start_image(sentence_id, **fields)).result()

    async def start_clip(self, sentence_id: str = "s1", **fields: Any) -> WorkflowHandle[Any, SentenceOutcome]:
        request = SentenceRequest(**self.name(sentence_id).model_dump(), **fields)
        name = clip_workflow_id("poke1", "story", sentence_id)
        return await self.studio.temporal.start_workflow(
            ClipWorkflow.run, request, id=name, task_queue=TaskQueue.STUDIO
        )

    async def clip(self, sentence_id: str = "s1", **fields: Any) -> SentenceOutcome:
        return await (await self.start_clip(sentence_id, **fields)).result()

    async def start_batch(
        self, category: ModelCategory = ModelCategory.IMAGE, **fields: Any
    ) -> WorkflowHandle[Any, ProjectResult]:
        request = ProjectRequest(channel="poke1", project_id="story", category=category, **fields)
        name = project_workflow_id("poke1", "story", category)
        return await self.studio.temporal.start_workflow(
            ProjectWorkflow.run, request, id=name, task_queue=TaskQueue.STUDIO
        )

    async def batch(self, category: ModelCategory = ModelCategory.IMAGE, **fields: Any) -> ProjectResult:
        return await (await self.start_batch(category, **fields)).result()

    async def character(self, character_id: str, colour: str) -> None:
        path = self.studio.folder / f"{character_id}.png"
        await asyncio.to_thread(Image.new("RGB", (64, 64), colour).save, path)
        picture = await self.studio.objects.put(path, f"channels/poke1/characters/{character_id}.png", "image/png")
        await self.models.put_character(
            Character(channel="poke1", character_id=character_id, name=character_id, references=(picture,))
        )

    async def speech(self, seconds: float) -> MediaRef:
        path = self.studio.folder / f"{seconds}.wav"
        content = io.BytesIO()
        with wave.open(content, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8_000)
            sound.writeframes(bytes(2 * round(seconds * 8_000)))
        await asyncio.to_thread(path.write_bytes, content.getvalue())
        return await self.studio.objects.put(path, f"channels/poke1/projects/story/audio/{seconds}.wav", "audio/wav")
