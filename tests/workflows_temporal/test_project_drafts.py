"""Projects that come in as plain JSON: written all or nothing, compared, and what was made stays as long as it fits."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from simulators.comfyui import ComfySimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId
from studio.contracts.model import StyleType, VisualStyle
from tests.story import Story
from tests.studio_at_work import StudioAtWork

SMALL = {"width": 256, "height": 256}
LONG = [{"sentence_id": f"s{place}", "text": "A lamp swings. " * 125} for place in range(1_000)]
NOTHING = {"key": "channels/poke1/nothing.png", "sha256": "0" * 64, "mime": "image/png"}


@pytest.fixture
def story(gpu_studio: StudioAtWork) -> Story:
    return Story(gpu_studio)


def draft(*texts: str, **fields: Any) -> dict[str, Any]:
    """A project as another language says it."""
    sentences = [{"sentence_id": f"s{place}", "text": text} for place, text in enumerate(texts, start=1)]
    return {"channel": "poke1", "project_id": "story", "image": SMALL, "video": SMALL, "sentences": sentences} | fields


async def start(story: Story, request: dict[str, Any]) -> WorkflowHandle[Any, dict[str, Any]]:
    return await story.studio.temporal.start_workflow(
        "ProjectDraftWorkflow", request, id="project/poke1/story/write", task_queue="studio", result_type=dict
    )


async def write(story: Story, request: dict[str, Any]) -> dict[str, Any]:
    return await (await start(story, request)).result()


async def refusal(story: Story, request: dict[str, Any]) -> str:
    with pytest.raises(WorkflowFailureError) as failure:
        await write(story, request)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "InvalidRequest"
    return failure.value.cause.message


async def compare(story: Story) -> dict[str, dict[str, Any]]:
    review = await story.studio.temporal.execute_workflow(
        "ProjectReviewWorkflow",
        {"channel": "poke1", "project_id": "story"},
        id="project/poke1/story/compare",
        task_queue="studio",
        result_type=dict,
    )
    return {one["sentence_id"]: one for one in review["sentences"]}


async def picture(story: Story, number: int = 1) -> MediaRef:
    """A picture somebody brings."""
    return await story.studio.still(ClipId(channel="poke1", video_id="story", number=number))


async def test_a_project_is_written_made_and_written_again(story: Story, comfy: ComfySimulator) -> None:
    """Only what has changed is to be made anew, and places follow the list."""
    written = await write(story, draft("A door.", "A lamp."))
    assert written["dirty_images"] == written["dirty_videos"] == ["s1", "s2"]
    await story.batch()
    written = await write(story, draft("A door.", "A candle.", "A cat."))
    assert (written["sentences"], written["dirty_images"]) == (3, ["s2", "s3"])
    assert [one.sentence_id for one in await story.projects.sentences("poke1", "story")] == ["s1", "s2", "s3"]


async def test_a_part_of_a_project_leaves_the_rest_and_a_complete_one_takes_out_what_it_does_not_name(
    story: Story,
) -> None:
    await write(story, draft("A door.", "A lamp.", "A cat."))
    part = draft(sentences=[{"sentence_id": "new", "text": "The end."}, {"sentence_id": "s1", "text": "A gate."}])
    assert (await write(story, part))["sentences"] == 4
    told = [(one.sentence_id, one.text) for one in await story.projects.sentences("poke1", "story")]
    assert told == [("s1", "A gate."), ("s2", "A lamp."), ("s3", "A cat."), ("new", "The end.")]
    sentences = [{"sentence_id": "s3", "text": "A cat."}, {"sentence_id": "s1", "text": "A gate."}]
    written = await write(story, draft(sentences=sentences, complete=True))
    assert sorted(written["removed"]) == ["new", "s2"]
    assert [one.sentence_id for one in await story.projects.sentences("poke1", "story")] == ["s3", "s1"]


async def test_a_further_picture_stays_when_the_project_is_written_again(story: Story, comfy: ComfySimulator) -> None:
    await write(story, draft("A door."))
    await story.image()
    further = await story.image(force=True)
    assert (await write(story, draft("A door.")))["dirty_images"] == []
    assert (await story.read()).image_take == further.take
    first = draft(sentences=[{"sentence_id": "s1", "text": "A door.", "image": {"variant": 1}}])
    assert (await write(story, first))["dirty_images"] == ["s1"]


async def test_a_picture_brought_by_hand_is_the_sentences_and_a_clip_is_made_of_it(
    story: Story, comfy: ComfySimulator
) -> None:
    still = (await picture(story)).model_dump(mode="json")
    audio = (await story.speech(0.5)).model_dump(mode="json")
    sentences = [{"sentence_id": "s1", "text": "A door.", "image_file": still, "audio_file": audio}]
    written = await write(story, draft(sentences=sentences))
    assert (written["dirty_images"], written["dirty_videos"]) == ([], ["s1"])
    await story.clip()
    assert (await write(story, draft(sentences=sentences)))["dirty_videos"] == []
    assert comfy.ledger.accepted == 1


async def test_characters_come_with_the_project(story: Story, comfy: ComfySimulator) -> None:
    character = {"character_id": "haunter", "name": "Haunter", "references": [(await picture(story)).model_dump()]}
    await write(story, draft("Haunter floats.", characters=[character], image=SMALL | {"characters": ["haunter"]}))
    await story.image()
    (row,) = await story.studio.rows("select parts ->> 'graph' as graph from renders")
    assert row["graph"] == "flux2_klein_edit"


async def test_everything_that_is_wrong_is_said_and_nothing_is_written(story: Story) -> None:
    foreign = NOTHING | {"key": "channels/poke2/still.png"}
    sound = (await story.speech(0.5)).model_dump(mode="json")
    sentences = [
        {"sentence_id": "s1", "text": "A door.", "image_file": NOTHING, "audio_file": NOTHING},
        {"sentence_id": "s2", "text": "A lamp.", "image_file": sound},
        {"sentence_id": "s3", "text": "A cat.", "image_file": foreign},
    ]
    character = {"character_id": "haunter", "name": "Haunter", "references": [foreign]}
    words = await refusal(story, draft(sentences=sentences, characters=[character]))
    assert words.splitlines() == [
        "sentences.0.audio_file: channels/poke1/nothing.png is not in the object store",
        "sentences.0.image_file: channels/poke1/nothing.png is not in the object store",
        "sentences.1.image_file: this is a sound file, no picture",
        "sentences.2.image_file: channels/poke2/still.png lies outside channel poke1",
        "characters.0.references.0: channels/poke2/still.png lies outside channel poke1",
    ]
    assert await story.projects.projects("poke1") == []


async def test_a_project_that_would_be_too_long_is_not_written_at_all(story: Story) -> None:
    await write(story, draft(*["A door."] * 999))
    more = [{"sentence_id": name, "text": "A cat."} for name in ("a", "b")]
    words = await refusal(story, draft(sentences=more, title="Another title"))
    assert words == "sentences: the project would have 1001, 1000 are possible"
    (project,) = await story.projects.projects("poke1")
    assert project.title == ""


NO_PROJECTS: list[tuple[dict[str, Any], str]] = [
    ({"sentences": [{"sentence_id": "s1", "text": "A."}] * 2}, "request: sentences: s1 is there twice"),
    ({"sentences": [{"sentence_id": "s1"}]}, "sentences.0.text: is missing"),
    ({"title": "", "sentences": LONG}, "request: 1,907,342 bytes; 1,900,000 are possible at once"),
    ({"channel": "../etc"}, "channel: must have 1 to 100 letters"),
]


async def test_json_that_is_no_project_is_refused_with_the_path(story: Story) -> None:
    for change, reason in NO_PROJECTS:
        assert (await refusal(story, draft("A door.") | change)).startswith(reason)


async def test_a_thousand_long_sentences_are_written_at_once(story: Story) -> None:
    request = draft(*["A lamp swings in the wind. " * 67] * 1_000)
    assert 1_800_000 < len(json.dumps(request)) < 1_900_000
    written = await write(story, request)
    assert written["sentences"] == len(written["dirty_images"]) == 1_000


async def test_a_comparison_finds_what_a_style_made_stale_and_what_cannot_be_made(
    story: Story, comfy: ComfySimulator
) -> None:
    style = VisualStyle(id="ink", name="Ink", type=StyleType.PROMPT, prompt_prefix="Ink.")
    await story.models.put_style(style)
    await write(story, draft("A door.", image=SMALL | {"style": "ink"}))
    await story.image()
    await story.models.put_style(style.model_copy(update={"prompt_prefix": "Black ink."}))
    part = [{"sentence_id": "s2", "text": "A cat.", "image": {"model_id": "none"}}]
    await write(story, draft(sentences=part, image=SMALL | {"style": "ink"}))
    assert await story.flags() == (False, True)
    review = await compare(story)
    assert (review["s1"]["is_image_dirty"], review["s1"]["image_obstacle"]) == (True, "")
    assert await story.flags() == (True, True)
    assert review["s2"]["image_obstacle"].startswith("model_id: none is no model")
    assert review["s2"]["video_obstacle"] == "sentence s2 has no picture yet - make its image first"
