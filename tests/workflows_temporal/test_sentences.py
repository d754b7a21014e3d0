"""Pictures and clips of sentences: made once, taken only while they are wanted, one by one or in batches."""

import asyncio
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from comfy_workflows.graph import load_graph
from comfy_workflows.identity import digest_of_shipped
from simulators.comfyui import ComfySimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.model import ModelCategory, StyleType, VisualStyle
from studio.contracts.progress import Progress, Stage
from studio.contracts.project import RenderChoices
from studio.contracts.sentence import SentenceOutcome
from studio.graphs import add_graph
from studio.media.probe import probe
from studio.store.events import subscribe
from tests.renders import states
from tests.story import Story
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.image import ImageWorkflow
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.sentence_clip import ClipWorkflow

FPS = 16
"""Of the default model for clips."""
LONG = 300
"""GPU seconds of a long render: three real ones."""

IMAGE, VIDEO = ModelCategory.IMAGE, ModelCategory.VIDEO


@pytest.fixture
async def story(gpu_studio: StudioAtWork) -> Story:
    story = Story(gpu_studio)
    await story.begin("s1")
    return story


async def refusal(making: Any) -> tuple[str | None, str]:
    """The type and the words with which a workflow failed."""
    with pytest.raises(WorkflowFailureError) as failed:
        await making
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.type, failed.value.cause.message


# ── one picture ──────────────────────────────────────────────────────────────


async def test_a_picture_lies_at_its_place_fits_until_a_further_one_is_forced_and_is_the_sentences_own(
    story: Story, comfy: ComfySimulator
) -> None:
    made = await story.image()
    sentence = await story.read()
    assert made.file is not None and made.file == sentence.image_file
    assert made.file.key == "channels/poke1/projects/story/images/s1.png"
    content = await story.studio.objects.read(made.file)
    assert Image.open(io.BytesIO(content)).size == (256, 256)
    assert (sentence.is_image_dirty, sentence.is_video_dirty, sentence.image_take) == (False, True, made.take)
    assert (made.reused, states(comfy)) == (False, ["success"])
    again = await story.image()
    assert (again.reused, again.file, comfy.ledger.accepted) == (True, made.file, 1)
    further = await story.image(force=True)
    assert (further.reused, comfy.ledger.accepted) == (False, 2)
    assert further.file is not None and further.file.sha256 != made.file.sha256
    assert (await story.read()).image.variant == 2
    assert (await story.image()).reused


async def test_another_text_is_another_picture_and_the_old_text_has_its_old_one(
    story: Story, comfy: ComfySimulator
) -> None:
    first = await story.image()
    await story.write(text="Gengar grins.")
    assert (await story.image()).take != first.take
    await story.write()
    back = await story.image()
    assert (back.take, back.reused, comfy.ledger.accepted) == (first.take, True, 2)
    assert back.file is not None
    await story.studio.objects.read(back.file)  # the bytes at the place are those again


async def test_characters_are_shown_to_the_model_that_edits_pictures(story: Story, comfy: ComfySimulator) -> None:
    await story.character("haunter", "purple")
    await story.character("gengar", "navy")
    await story.write(image=RenderChoices(characters=("haunter", "gengar")))
    await story.image()
    assert comfy.ledger.counts["uploads"] == 2
    (row,) = await story.studio.rows("select parts ->> 'graph' as graph from renders")
    assert row == {"graph": "flux2_klein_edit"}


async def test_what_cannot_be_made_is_refused_with_the_reason_before_it_waits_for_the_gpu(
    story: Story, comfy: ComfySimulator
) -> None:
    """A clip without a picture, a style without its character, speech of another channel, speech that is too long."""
    making = await story.start_clip()
    told = await refusal(making.result())
    assert told == ("InvalidRequest", "sentence s1 has no picture yet - make its image first")
    standing = await making.query(ClipWorkflow.progress)
    assert (standing.stage, standing.note) == (Stage.FAILED, told[1])

    style = VisualStyle(
        id="portrait",
        name="Portrait",
        type=StyleType.PROMPT,
        prompt_prefix="Portrait.",
        requires_character_reference=True,
    )
    await story.models.put_style(style)
    await story.write(image=RenderChoices(style="portrait"))
    assert await refusal(story.image()) == (
        "InvalidRequest",
        "style Portrait needs a character reference, and none is given - choose a character that has a picture",
    )
    assert comfy.ledger.accepted == 0

    await story.write(image=RenderChoices())
    await story.image()
    theirs = MediaRef(key="channels/poke2/speech.wav", sha256="0" * 64, mime="audio/wav")
    await story.write(audio_file=theirs)
    assert await refusal(story.clip()) == (
        "InvalidRequest",
        "audio_file: channels/poke2/speech.wav lies outside channel poke1",
    )
    await story.write(audio_file=await story.speech(25))
    kind, words = await refusal(story.clip())
    assert (kind, words.partition(":")[0]) == ("InvalidRequest", "wan22_i2v")
    assert "25.1 s are too long for this graph, at most 20 s" in words
    assert comfy.ledger.accepted == 1


async def test_the_first_file_of_a_take_stays_whoever_renders_it_once_more(story: Story, comfy: ComfySimulator) -> None:
    first = await story.image()
    async with story.studio.database.transaction() as connection:
        await connection.execute("delete from renders")
        await connection.execute("update sentences set image_file = null, image_take = null, is_image_dirty = true")
    await asyncio.to_thread(shutil.rmtree, comfy.folder / "output" / "longtake")
    await comfy.restart()
    second = (await story.batch()).outcomes[0]
    assert (second.file, second.reused, comfy.ledger.accepted) == (first.file, False, 2)
    assert second.file is not None
    await story.studio.objects.read(second.file)


async def test_a_sentence_that_is_changed_meanwhile_gets_what_it_asks_for_now(
    story: Story, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=LONG, count=1)
    making = await story.start_image()
    await running(comfy)
    await story.write(text="Gengar grins.")
    made = await making.result()
    sentence = await story.read()
    assert (sentence.image_take, sentence.is_image_dirty) == (made.take, False)
    assert comfy.ledger.accepted == 2
    rows = await story.studio.rows("select parts -> 'parameters' ->> 'prompt' as prompt from renders order by made_at")
    assert [row["prompt"] for row in rows] == ["Haunter floats past door s1.", "Gengar grins."]


async def test_a_server_out_of_memory_is_given_three_tries(story: Story, comfy: ComfySimulator) -> None:
    comfy.order(fail="oom")
    kind, words = await refusal(story.image())
    assert (kind, words[-9:]) == ("GenerationFailed", ": 3 tries")
    assert states(comfy) == ["error"] * 3
    assert await story.flags() == (True, True)


async def test_a_graph_of_ones_own_makes_the_picture(story: Story, comfy: ComfySimulator) -> None:
    shipped = load_graph("z_image_turbo")
    named = shipped.declaration.model_copy(update={"name": "mine"})
    mine = shipped.model_copy(update={"declaration": named})
    await add_graph(mine, story.models, story.studio.objects)
    await story.write(image=RenderChoices(model_id="mine"))
    assert not (await story.image()).reused
    (row,) = await story.studio.rows("select parts ->> 'graph' as graph, parts ->> 'graph_sha256' as sha from renders")
    assert (row["graph"], row["sha"] != digest_of_shipped("z_image_turbo")) == ("mine", True)


async def test_news_end_with_the_sentence_having_its_picture(story: Story, comfy: ComfySimulator) -> None:
    comfy.order(seconds=150)
    async with subscribe(str(story.studio.settings.database_url), project_id="story") as news:
        await story.image()
        stages = []
        async for event in news:
            assert isinstance(event, Progress) and event.sentence_id == "s1"
            stages.append(event.stage)
            if event.stage is Stage.DONE:
                break
    assert {Stage.RENDERING, Stage.KEEPING} <= set(stages)


# ── one clip ─────────────────────────────────────────────────────────────────


async def test_a_picture_that_is_cancelled_says_so(story: Story, comfy: ComfySimulator) -> None:
    comfy.order(seconds=6_000)
    making = await story.start_image()
    await running(comfy)
    await making.cancel()
    with pytest.raises(WorkflowFailureError):
        await making.result()
    assert (await making.query(ImageWorkflow.progress)).stage is Stage.CANCELLED
    assert states(comfy) == ["interrupted"]


async def test_a_clip_is_as_long_as_its_speech_and_five_seconds_without_and_stale_after_a_new_picture(
    story: Story, comfy: ComfySimulator, tmp_path: Path
) -> None:
    await story.image()
    silent = await story.clip()
    assert await length(story, silent, tmp_path) == (5 * FPS, 5.0)
    await story.write(audio_file=await story.speech(2.3))
    assert await story.flags() == (False, True)
    spoken = await story.clip()
    frames, seconds = await length(story, spoken, tmp_path)
    assert (frames, 0 <= seconds - 2.3 < 1 / FPS) == (37, True)
    assert spoken.file is not None and spoken.file.key == "channels/poke1/projects/story/clips/s1.mp4"
    assert (await story.read()).video_file == spoken.file
    assert await story.flags() == (False, False)
    await story.image(force=True)
    assert await story.flags() == (False, True), "the clip is of the old picture"
    assert not (await story.clip()).reused
    assert comfy.ledger.accepted == 5


async def test_a_clip_tells_the_camera_to_a_graph_without_numbers_for_it_in_words(story: Story) -> None:
    await story.image()
    await story.write(motion_prompt="It floats", camera_movement=CameraMove.ZOOM_IN, motion_strength=1.0)
    await story.clip()
    (row,) = await story.studio.rows(
        "select parts -> 'parameters' ->> 'prompt' as prompt from renders where parts ->> 'graph' = 'wan22_i2v'"
    )
    assert row["prompt"] == "It floats. Fast dolly forward."


# ── batches ──────────────────────────────────────────────────────────────────


async def test_a_batch_makes_what_is_named_what_is_dirty_and_further_ones_when_forced(
    story: Story, comfy: ComfySimulator
) -> None:
    await story.begin("s1", "s2", "s3")
    named = await story.batch(sentence_ids=("s3", "s1"))
    assert sorted((one.sentence_id, one.status) for one in named.outcomes) == [("s1", "done"), ("s3", "done")]
    assert (named.summary, comfy.ledger.accepted) == ("2 of 2 done, 0 failed", 2)
    assert await story.flags("s2") == (True, True)
    told = await refusal(story.batch(sentence_ids=("s9",)))
    assert told == ("InvalidRequest", "sentence_ids: the project has no s9")

    dirty = await story.batch()
    assert [(one.sentence_id, one.status) for one in dirty.outcomes] == [("s2", "done")]
    assert (dirty.summary, comfy.ledger.accepted) == ("1 of 1 done, 0 failed", 3)
    assert (await story.batch()).outcomes == []

    forced = await story.batch(force=True, sentence_ids=("s1", "s2"))
    assert (forced.done, forced.reused, comfy.ledger.accepted) == (2, 0, 5)


async def test_a_batch_makes_what_another_style_of_the_same_name_made_stale(
    story: Story, comfy: ComfySimulator
) -> None:
    style = VisualStyle(id="ink", name="Ink", type=StyleType.PROMPT, prompt_prefix="Ink.")
    await story.models.put_style(style)
    await story.write(image=RenderChoices(style="Ink"))
    await story.batch()
    await story.models.put_style(style.model_copy(update={"prompt_prefix": "Black ink."}))
    assert (await story.batch()).done == 1
    assert comfy.ledger.accepted == 2


async def test_a_batch_goes_from_model_to_model_once(story: Story, comfy: ComfySimulator) -> None:
    await story.character("haunter", "purple")
    edited = RenderChoices(characters=("haunter",))
    for place in range(4):
        await story.write(f"s{place + 1}", position=place, image=edited if place % 2 else RenderChoices())
    result = await story.batch()
    assert result.done == 4
    rows = await story.studio.rows("select take, parts ->> 'graph' as graph from renders")
    graphs = {row["take"]: row["graph"] for row in rows}
    order = [graphs[entry.prefix.split("/")[1]] for entry in comfy.ledger.prompts]
    assert order == ["z_image_turbo"] * 2 + ["flux2_klein_edit"] * 2


async def test_a_sentence_that_fails_does_not_stop_the_others(story: Story, comfy: ComfySimulator) -> None:
    await story.begin("s1", "s2", "s3")
    await story.write("s1", image=RenderChoices(model_id="nothing"))
    comfy.order(fail="the tensor is haunted", count=1)
    result = await story.batch()
    failed = {one.sentence_id: one for one in result.outcomes if one.status == "failed"}
    assert (result.done, result.failed, result.summary) == (1, 2, "1 of 3 done, 2 failed")
    assert failed["s1"].error_type == "InvalidRequest" and "nothing is no model" in str(failed["s1"].error)
    assert failed["s2"].error_type == "ExecutionFailed" and "haunted" in str(failed["s2"].error)
    assert await story.flags("s3") == (False, True)
    assert (await story.batch(sentence_ids=("s2",))).done == 1


async def test_a_batch_of_clips_says_which_pictures_are_missing(story: Story) -> None:
    await story.begin("s1", "s2")
    await story.write("s1", audio_file=await story.speech(0.5))
    await story.image("s1")
    handle = await story.start_batch(VIDEO)
    result = await handle.result()
    assert (result.done, result.failed) == (1, 1)
    progress = await handle.query(ProjectWorkflow.progress)
    assert {one.sentence_id: (one.stage, one.note) for one in progress.sentences} == {
        "s1": (Stage.DONE, ""),
        "s2": (Stage.FAILED, "sentence s2 has no picture yet - make its image first"),
    }


async def test_a_cancelled_batch_stops_the_gpu_and_sends_nothing_more(story: Story, comfy: ComfySimulator) -> None:
    await story.begin("s1", "s2", "s3")
    comfy.order(seconds=6_000)
    handle = await story.start_batch()
    await running(comfy)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert states(comfy) == ["interrupted"]
    (seconds,) = [entry.seconds_to_interrupt for entry in comfy.ledger.prompts]
    assert seconds is not None and seconds < 2
    assert await story.flags("s1") == (True, True)


async def running(comfy: ComfySimulator) -> None:
    """Wait until the server renders."""

    async def look() -> list[str]:
        return states(comfy)

    await eventually(look, lambda seen: "running" in seen)


async def length(story: Story, made: SentenceOutcome, folder: Path) -> tuple[int, float]:
    """Frames and seconds of a clip, as the file has them."""
    assert made.file is not None
    path = await story.studio.objects.fetch(made.file, folder / "clip.mp4")
    info = await asyncio.to_thread(probe, path)
    return info.frames, info.seconds
