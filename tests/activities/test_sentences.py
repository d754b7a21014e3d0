"""Which file a sentence takes, and what lies where people look for it. The GPU is somebody else's."""

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from activities._sentence_stores import SentenceStores
from activities.batches import BatchActivities
from activities.sentences import STALE, SentenceActivities
from comfy_workflows.graph import load_graph
from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Progress, Stage
from studio.contracts.project import Project, RenderChoices, Sentence, SentenceDraft
from studio.contracts.sentence import ProjectRequest, SentencePlan, SentenceRender, SentenceToMake, UsedRender
from studio.contracts.take import RenderedFile
from studio.errors import InvalidRequest, MediaMissing, ObjectStoreUnavailable
from studio.objects import keys
from studio.objects.store import StorePlace, open_store
from studio.places import Places
from studio.store.events import EventStore, subscribe
from studio.store.models import ModelStore
from studio.store.pool import Database
from studio.store.projects import ProjectStore
from studio.store.renders import RenderStore

IMAGE, VIDEO = ModelCategory.IMAGE, ModelCategory.VIDEO
DRAFT = SentenceDraft(channel="poke1", project_id="story", sentence_id="s1", text="Haunter floats.")
PLACE, CLIP_PLACE = keys.image_key(DRAFT), keys.sentence_clip_key(DRAFT)


class Desk:
    """The steps of a sentence, and somebody who renders what they ask for."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.folder = folder
        self.objects = open_store(StorePlace(url=f"file://{folder}/objects"))
        self.projects = ProjectStore(database)
        self.renders = RenderStore(database)
        stores = SentenceStores(self.projects, ModelStore(database), self.renders, EventStore(database))
        self.places = Places(self.projects, self.objects)
        self._activities = SentenceActivities(stores, self.objects, work_dir=folder / "work")
        self._batches = BatchActivities(stores, self.objects, work_dir=folder / "work")
        self._drawn = 0

    async def write(self, text: str = DRAFT.text, **fields: Any) -> None:
        await self.projects.put_sentences([DRAFT.model_copy(update={"text": text, **fields})])

    async def read(self) -> Sentence:
        found = await self.projects.sentence(DRAFT)
        assert found is not None
        return found

    async def plan(self, category: ModelCategory = IMAGE, *, force: bool = False) -> SentencePlan:
        wanted = SentenceToMake(
            **DRAFT.model_dump(include={"channel", "project_id", "sentence_id"}), category=category, force=force
        )
        return await ActivityEnvironment().run(self._activities.plan_sentence, wanted)

    async def render(self, plan: SentencePlan) -> SentenceRender:
        """Nobody renders the same picture twice."""
        make_key = keys.image_take_key if plan.category is IMAGE else keys.take_key
        media = await self.file(make_key(plan.channel, plan.order.take))
        file = RenderedFile(media=media, width=64, height=64)
        assert plan.order.parts is not None
        await self.renders.keep(plan.channel, plan.order.take, plan.order.parts, file)
        return SentenceRender(plan=plan, file=file)

    async def file(self, key: str) -> MediaRef:
        self._drawn += 1
        path = self.folder / "drawn.png"
        await asyncio.to_thread(Image.new("RGB", (60 + self._drawn, 64), "purple").save, path)
        return await self.objects.put(path, key, "video/mp4" if key.endswith("mp4") else "image/png")

    async def speech(self, seconds: float) -> MediaRef:
        path = self.folder / "speech.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, 8_000, 0, "NONE", ""))
            sound.writeframes(bytes(2 * round(seconds * 8_000)))
        return await self.objects.put(path, "channels/poke1/speech.wav", "audio/wav")

    async def use(self, made: SentenceRender) -> UsedRender:
        return await ActivityEnvironment().run(self._activities.use_render, made)

    async def make(self, category: ModelCategory = IMAGE) -> Sentence:
        """From plan to place."""
        assert (await self.use(await self.render(await self.plan(category)))).file is not None
        return await self.read()

    async def batch(self, category: ModelCategory = IMAGE) -> tuple[str, ...]:
        request = ProjectRequest(channel="poke1", project_id="story", category=category)
        return (await ActivityEnvironment().run(self._batches.choose_sentences, request)).sentence_ids

    async def lies_there(self, file: MediaRef | None, key: str = PLACE) -> bool:
        """Whether the place has these bytes."""
        found = await self.objects.refer(key, "image/png")
        return file is not None and found is not None and found.sha256 == file.sha256


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(database, tmp_path)
    small = RenderChoices(width=256, height=256)
    await desk.projects.put(Project(channel="poke1", project_id="story", image=small, video=small))
    await desk.write()
    yield desk


# ── a file that is gone ──────────────────────────────────────────────────────


async def test_a_picture_whose_take_is_gone_is_made_again_and_the_new_file_counts(desk: Desk) -> None:
    before = await desk.make()
    take = before.image_take
    assert take is not None
    for key in (PLACE, keys.image_take_key("poke1", take)):
        await desk.objects.delete(key)
    plan = await desk.plan()
    assert (plan.fits, plan.there, plan.order.take) == (None, None, take)
    assert ((await desk.read()).image_file, (await desk.read()).is_image_dirty) == (None, True)
    after = await desk.make()
    assert after.image_file != before.image_file
    assert await desk.lies_there(after.image_file)
    again = await desk.plan()
    assert again.there is not None and again.there.media.sha256 == after.image_file.sha256  # type: ignore[union-attr]


async def test_a_picture_that_is_only_gone_from_its_place_is_put_there_again(desk: Desk) -> None:
    made = await desk.make()
    await desk.objects.delete(PLACE)
    assert (await desk.plan()).fits == made.image_file
    assert await desk.lies_there(made.image_file)


async def test_a_take_that_goes_between_plan_and_use_is_planned_again(desk: Desk) -> None:
    take = (await desk.make()).image_take
    assert take is not None
    await desk.write("Gengar grins.")
    await desk.make()
    await desk.write()
    plan = await desk.plan()
    assert plan.there is not None
    await desk.objects.delete(plan.there.media.key)
    assert (await desk.use(SentenceRender(plan=plan, file=plan.there))).file is None
    assert (await desk.plan()).there is None


async def test_a_batch_makes_what_is_gone(desk: Desk) -> None:
    take = (await desk.make()).image_take
    assert await desk.batch() == ()
    await desk.objects.delete(keys.image_take_key("poke1", take or ""))
    assert await desk.batch() == ("s1",)


async def test_a_clip_of_a_picture_that_is_gone_asks_for_the_picture(desk: Desk) -> None:
    take = (await desk.make()).image_take
    await desk.objects.delete(keys.image_take_key("poke1", take or ""))
    with pytest.raises(InvalidRequest, match="sentence s1 has no picture yet - make its image first"):
        await desk.plan(VIDEO)
    assert (await desk.read()).is_image_dirty


async def test_a_picture_that_could_not_be_copied_to_its_place_is_not_called_clean(desk: Desk) -> None:
    made = await desk.render(await desk.plan())
    images = desk.folder / "objects" / Path(PLACE).parent
    images.parent.mkdir(parents=True, exist_ok=True)
    images.write_bytes(b"no folder")
    with pytest.raises(ObjectStoreUnavailable):
        await desk.use(made)
    assert ((await desk.read()).image_file, (await desk.read()).is_image_dirty) == (None, True)
    images.unlink()
    assert (await desk.use(made)).file == (await desk.read()).image_file


# ── who comes late ───────────────────────────────────────────────────────────


async def test_whoever_copied_too_late_puts_the_place_right(desk: Desk) -> None:
    late = await desk.render(await desk.plan())
    await desk.write("Gengar grins.")
    wanted = await desk.make()
    await desk.objects.copy(late.file.media.key, PLACE)  # an attempt that then died
    assert (await desk.use(late)).file is None
    assert await desk.lies_there(wanted.image_file)
    assert await desk.read() == wanted


async def test_a_picture_brought_by_hand_stays_at_its_place_and_outlives_the_next_render(desk: Desk) -> None:
    late = await desk.render(await desk.plan())
    mine = await desk.file(PLACE)
    assert await desk.places.bring(DRAFT, IMAGE, mine)
    assert (await desk.use(late)).file is None
    assert await desk.lies_there(mine)
    assert (await desk.plan()).fits == (await desk.read()).image_file
    await desk.write("Gengar grins.")
    assert await desk.lies_there((await desk.make()).image_file)
    assert await desk.lies_there(mine, keys.brought_key(DRAFT, mine.sha256, "png"))


async def test_a_clip_of_a_picture_brought_by_hand_is_made_of_that_picture_whatever_follows_it(desk: Desk) -> None:
    assert await desk.places.bring(DRAFT, IMAGE, await desk.file(PLACE))
    (picture,) = (await desk.plan(VIDEO)).order.parameters.images
    assert await desk.places.bring(DRAFT, IMAGE, await desk.file(PLACE))
    await desk.objects.read(picture)


async def test_what_no_sentence_can_have_is_not_brought(desk: Desk) -> None:
    missing = MediaRef(key="channels/poke1/none.png", sha256="0" * 64, mime="image/png")
    with pytest.raises(MediaMissing):
        await desk.places.bring(DRAFT, IMAGE, missing)
    with pytest.raises(InvalidRequest, match="not image/webp"):
        await desk.places.bring(DRAFT, IMAGE, missing.model_copy(update={"mime": "image/webp"}))
    other = DRAFT.model_copy(update={"sentence_id": "s9"})
    assert not await desk.places.bring(other, IMAGE, await desk.file("channels/poke1/mine.png"))


# ── what the graph is told ───────────────────────────────────────────────────


async def test_a_shipped_graph_that_stands_in_no_table_gets_its_numbers_for_the_camera_and_no_words(desk: Desk) -> None:
    await desk.make()
    await desk.write(
        motion_prompt="It floats.",
        camera_movement=CameraMove.PAN_LEFT,
        motion_strength=0.75,
        video=RenderChoices(model_id="wan22_fun_camera"),
    )
    order = (await desk.plan(VIDEO)).order
    assert order.parameters.prompt == "It floats."
    bound = load_graph(order.graph).bind(order.parameters, images=["one.png"], prefix="clip")
    (camera,) = [node["inputs"] for node in bound.graph.values() if node["class_type"] == "WanCameraEmbedding"]
    assert (camera["camera_pose"], camera["speed"]) == ("Pan Left", 1.4)


async def test_speech_shorter_than_the_shortest_clip_of_the_graph_is_cut_out_of_that(desk: Desk) -> None:
    await desk.make()
    await desk.write(audio_file=await desk.speech(0.02))
    order = (await desk.plan(VIDEO)).order
    assert (order.parameters.frames, order.kept_frames) == (5, 1)


async def test_a_clip_of_a_picture_that_fits_no_more_says_so(desk: Desk) -> None:
    await desk.make()
    assert (await desk.plan(VIDEO)).notes == ()
    await desk.write("Gengar grins.")
    assert (await desk.plan(VIDEO)).notes == (STALE,)


# ── news ─────────────────────────────────────────────────────────────────────


async def test_a_sentence_that_has_a_picture_that_fits_is_told_done(desk: Desk, database_url: str) -> None:
    await desk.make()
    async with subscribe(database_url, project_id="story") as news, asyncio.timeout(20):
        await desk.plan()
        event = await anext(news)
    assert isinstance(event, Progress)
    assert (event.sentence_id, event.stage, event.fraction) == ("s1", Stage.DONE, 1)
