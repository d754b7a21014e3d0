"""Projects on a real PostgreSQL: what is dirty, and which files are taken."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.model import ModelCategory
from studio.contracts.project import Project, RenderChoices, Sentence, SentenceDraft, SentenceId
from studio.errors import InvalidRequest
from studio.store.pool import Database
from studio.store.projects import ProjectStore

DRAFT = SentenceDraft(channel="poke1", project_id="story", sentence_id="s1", text="Haunter floats down the corridor.")
ONE, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64


def file(name: str, digit: str) -> MediaRef:
    mime = "image/png" if name.endswith("png") else "video/mp4" if name.endswith("mp4") else "audio/mpeg"
    return MediaRef(key=f"channels/poke1/projects/story/{name}", sha256=digit * 64, mime=mime)


PICTURE, CLIP, SPEECH = file("images/s1.png", "1"), file("videos/s1.mp4", "2"), file("audio/s1.mp3", "3")


@pytest.fixture
async def projects(database: Database) -> ProjectStore:
    store = ProjectStore(database)
    await store.put(Project(channel="poke1", project_id="story", title="The corridor"))
    await store.put_sentences([DRAFT])
    return store


async def read(projects: ProjectStore) -> Sentence:
    found = await projects.sentence(DRAFT)
    assert found is not None
    return found


async def flags(projects: ProjectStore) -> tuple[bool, bool]:
    found = await read(projects)
    return found.is_image_dirty, found.is_video_dirty


async def make_both(projects: ProjectStore) -> None:
    assert await projects.want_image(await read(projects), ONE)
    assert await projects.set_image(DRAFT, ONE, PICTURE)
    assert await projects.want_video(await read(projects), OTHER)
    assert await projects.set_video(DRAFT, OTHER, CLIP)
    assert await flags(projects) == (False, False)


async def test_a_new_sentence_has_nothing_and_everything_is_dirty(projects: ProjectStore) -> None:
    found = await read(projects)
    assert (found.image_file, found.video_file, found.version) == (None, None, 1)
    assert (found.is_image_dirty, found.is_video_dirty) == (True, True)
    assert SentenceDraft.model_validate(found.model_dump()) == DRAFT


async def test_a_project_and_its_sentences_come_back_as_they_were_put(projects: ProjectStore) -> None:
    choices = RenderChoices(style="Cinematic", seed=2**63 - 1, cfg=3.5, characters=("gengar", "haunter"), width=1_280)
    project = Project(channel="poke1", project_id="story", title="Two", image=choices, video=RenderChoices(fast=True))
    later = DRAFT.model_copy(
        update={
            "sentence_id": "s0",
            "position": 1,
            "audio_file": SPEECH,
            "camera_movement": CameraMove.ORBIT,
            "motion_strength": 0.25,
            "image": choices,
        }
    )
    await projects.put(project)
    await projects.put_sentences([later])
    assert await projects.project("poke1", "story") == project
    assert await projects.projects("poke1") == [project]
    assert await projects.projects("poke2") == []
    first, second = await projects.sentences("poke1", "story")
    assert first.sentence_id == "s1"
    assert SentenceDraft.model_validate(second.model_dump()) == later


async def test_a_picture_clears_its_flag_and_marks_the_clip(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.want_image(await read(projects), THIRD)
    assert await flags(projects) == (True, False)
    assert await projects.set_image(DRAFT, THIRD, file("images/s1.png", "7"))
    assert await flags(projects) == (False, True)
    found = await read(projects)
    assert (found.image_take, found.video_take) == (THIRD, OTHER)
    assert found.video_file == CLIP


IMAGE_CHANGES: list[dict[str, Any]] = [
    {"text": "Gengar floats."},
    {"image_prompt": "A ghost in a corridor"},
    {"image": RenderChoices(seed=7)},
]
VIDEO_CHANGES: list[dict[str, Any]] = [
    {"audio_file": SPEECH},
    {"motion_prompt": "It floats away."},
    {"camera_movement": CameraMove.ZOOM_IN},
    {"motion_strength": 0.9},
    {"video": RenderChoices(fast=True)},
]


@pytest.mark.parametrize("change", IMAGE_CHANGES, ids=lambda change: str(*change))
async def test_what_the_picture_is_made_from_marks_picture_and_clip(
    projects: ProjectStore, change: dict[str, Any]
) -> None:
    await make_both(projects)
    await projects.put_sentences([DRAFT.model_copy(update=change)])
    assert await flags(projects) == (True, True)


@pytest.mark.parametrize("change", VIDEO_CHANGES, ids=lambda change: str(*change))
async def test_what_only_the_clip_is_made_from_marks_the_clip(projects: ProjectStore, change: dict[str, Any]) -> None:
    await make_both(projects)
    await projects.put_sentences([DRAFT.model_copy(update=change)])
    assert await flags(projects) == (False, True)


async def test_nothing_that_is_there_goes_away_when_it_becomes_dirty(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar floats."})])
    found = await read(projects)
    assert (found.image_file, found.image_take) == (PICTURE, ONE)
    assert (found.video_file, found.video_take) == (CLIP, OTHER)


async def test_writing_the_same_again_changes_nothing(projects: ProjectStore) -> None:
    await make_both(projects)
    before = await read(projects)
    for _ in range(2):
        await projects.put(Project(channel="poke1", project_id="story", title="The corridor, again"))
        await projects.put_sentences([DRAFT])
        assert await projects.set_image(DRAFT, ONE, PICTURE)
        assert await projects.set_video(DRAFT, OTHER, CLIP)
    assert await read(projects) == before


async def test_another_place_in_the_script_or_another_copy_of_the_speech_marks_nothing(projects: ProjectStore) -> None:
    spoken = DRAFT.model_copy(update={"audio_file": SPEECH})
    await projects.put_sentences([spoken])
    await make_both(projects)
    moved = SPEECH.model_copy(update={"key": "channels/poke1/uploads/speech.mp3"})
    await projects.put_sentences([spoken.model_copy(update={"position": 9, "audio_file": moved})])
    assert await flags(projects) == (False, False)
    assert (await read(projects)).audio_file == moved


async def test_a_change_that_is_taken_back_leaves_nothing_to_make(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar floats."})])
    await projects.put_sentences([DRAFT])
    assert await flags(projects) == (True, True)
    wanted = await projects.want_image(await read(projects), ONE)
    assert wanted is not None
    assert not wanted.is_image_dirty
    await projects.want_video(await read(projects), OTHER)
    assert await flags(projects) == (False, False)


@pytest.mark.parametrize(
    ("image", "video", "marked"),
    [
        (ONE, OTHER, (False, False)),
        (THIRD, OTHER, (True, False)),
        (ONE, THIRD, (False, True)),
        (THIRD, None, (True, False)),
    ],
)
async def test_flags_follow_the_digests_when_a_style_or_a_graph_has_changed(
    projects: ProjectStore, image: str, video: str | None, marked: tuple[bool, bool]
) -> None:
    await make_both(projects)
    await projects.compare([(await read(projects), image, video)])
    assert await flags(projects) == marked
    assert await projects.set_image(DRAFT, ONE, PICTURE)  # what is being made is still wanted


async def test_a_comparison_finds_again_what_fits_and_leaves_what_changed_meanwhile(projects: ProjectStore) -> None:
    await make_both(projects)
    before = await read(projects)
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar floats."})])
    await projects.compare([(before, ONE, OTHER)])
    assert await flags(projects) == (True, True)
    await projects.put_sentences([DRAFT])
    await projects.compare([(await read(projects), ONE, OTHER)])
    assert await flags(projects) == (False, False)


async def test_a_comparison_speaks_neither_for_what_is_missing_nor_against_what_was_brought(
    projects: ProjectStore,
) -> None:
    await projects.compare([(await read(projects), ONE, OTHER)])
    assert await flags(projects) == (True, True)
    await projects.give_image(DRAFT, PICTURE)
    await projects.compare([(await read(projects), ONE, OTHER)])
    assert await flags(projects) == (False, True)


async def test_a_picture_of_the_text_as_it_was_is_not_taken(projects: ProjectStore) -> None:
    await projects.want_image(await read(projects), ONE)
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar floats."})])
    assert not await projects.set_image(DRAFT, ONE, PICTURE)
    found = await read(projects)
    assert (found.image_file, found.is_image_dirty) == (None, True)


async def test_a_take_of_a_sentence_that_changed_after_it_was_read_is_not_wanted(projects: ProjectStore) -> None:
    before = await read(projects)
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar floats."})])
    assert await projects.want_image(before, ONE) is None
    assert await projects.want_video(before, ONE) is None
    assert not await projects.set_image(DRAFT, ONE, PICTURE)


async def test_a_late_picture_does_not_replace_the_one_wanted_after_it(projects: ProjectStore) -> None:
    await projects.want_image(await read(projects), ONE)
    await projects.want_image(await read(projects), THIRD)
    assert await projects.set_image(DRAFT, THIRD, PICTURE)
    assert not await projects.set_image(DRAFT, ONE, file("images/s1.png", "7"))
    assert (await read(projects)).image_take == THIRD


async def test_a_file_that_is_lost_leaves_its_sentence_dirty_and_no_other_file(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.lose(DRAFT, ModelCategory.VIDEO, PICTURE)
    assert (await read(projects)).video_file == CLIP
    await projects.lose(DRAFT, ModelCategory.VIDEO, CLIP)
    found = await read(projects)
    assert (found.image_file, found.video_file, found.video_take) == (PICTURE, None, None)
    assert await flags(projects) == (False, True)


async def test_a_sentence_says_which_take_it_wants(projects: ProjectStore) -> None:
    await projects.want_image(await read(projects), ONE)
    assert await projects.wants(DRAFT, ModelCategory.IMAGE, ONE)
    assert not await projects.wants(DRAFT, ModelCategory.IMAGE, OTHER)
    assert not await projects.wants(DRAFT, ModelCategory.VIDEO, ONE)


async def test_a_clip_of_the_picture_before_is_not_taken(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.want_video(await read(projects), THIRD)
    await projects.want_image(await read(projects), OTHER)
    await projects.set_image(DRAFT, OTHER, file("images/s1.png", "7"))
    assert not await projects.set_video(DRAFT, THIRD, file("videos/s1.mp4", "8"))
    assert await flags(projects) == (False, True)


async def test_a_repeated_report_of_a_picture_leaves_the_clip_that_was_made_of_it(projects: ProjectStore) -> None:
    await make_both(projects)
    assert await projects.set_image(DRAFT, ONE, PICTURE)
    assert await flags(projects) == (False, False)


async def test_the_same_picture_made_in_another_way_leaves_the_clip(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.want_image(await read(projects), THIRD)
    await projects.set_image(DRAFT, THIRD, PICTURE)
    assert await flags(projects) == (False, False)


async def test_a_picture_brought_by_hand_fits_until_the_sentence_changes(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.want_image(await read(projects), THIRD)
    assert await projects.give_image(DRAFT, file("images/s1.png", "7"))
    assert await flags(projects) == (False, True)
    assert not await projects.set_image(DRAFT, THIRD, PICTURE)
    wanted = await projects.want_image(await read(projects), THIRD)
    assert wanted is not None
    assert not wanted.is_image_dirty
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar floats."})])
    wanted = await projects.want_image(await read(projects), OTHER)
    assert wanted is not None
    assert wanted.is_image_dirty


async def test_a_clip_brought_by_hand_fits_until_the_picture_changes(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.put_sentences([DRAFT.model_copy(update={"motion_strength": 1.0})])
    assert await projects.give_video(DRAFT, file("videos/s1.mp4", "8"))
    assert await flags(projects) == (False, False)
    await projects.give_image(DRAFT, file("images/s1.png", "7"))
    assert await flags(projects) == (False, True)


@pytest.mark.parametrize(
    ("part", "marked"), [("image", (True, True)), ("video", (False, True)), ("title", (False, False))]
)
async def test_other_choices_for_the_whole_project_mark_its_sentences(
    projects: ProjectStore, part: str, marked: tuple[bool, bool]
) -> None:
    await make_both(projects)
    value = "Another" if part == "title" else RenderChoices(steps=30)
    project = Project(channel="poke1", project_id="story", title="The corridor").model_copy(update={part: value})
    await projects.put(project)
    assert await flags(projects) == marked


async def test_two_channels_may_have_a_project_of_the_same_name(projects: ProjectStore) -> None:
    theirs = DRAFT.model_copy(update={"channel": "poke2", "text": "Theirs."})
    await projects.put(Project(channel="poke2", project_id="story"))
    await projects.put_sentences([theirs])
    await projects.give_image(theirs, PICTURE)
    assert (await read(projects)).image_file is None
    assert [one.text for one in await projects.sentences("poke2", "story")] == ["Theirs."]


async def test_sentences_need_their_project_and_come_all_or_none(projects: ProjectStore) -> None:
    lost = DRAFT.model_copy(update={"project_id": "none"})
    with pytest.raises(InvalidRequest, match="project_id: channel poke1 has no project none"):
        await projects.put_sentences([DRAFT.model_copy(update={"sentence_id": "s2"}), lost])
    assert len(await projects.sentences("poke1", "story")) == 1


async def test_a_sentence_that_was_taken_out_takes_no_files(projects: ProjectStore) -> None:
    before = await read(projects)
    await projects.remove_sentence(DRAFT)
    assert await projects.sentence(DRAFT) is None
    assert await projects.want_image(before, ONE) is None
    assert not await projects.set_image(DRAFT, ONE, PICTURE)
    assert not await projects.give_image(DRAFT, PICTURE)


async def test_many_writers_at_once_do_not_stop_each_other(projects: ProjectStore) -> None:
    drafts = [DRAFT.model_copy(update={"sentence_id": f"s{n}"}) for n in range(20)]

    def choices(seed: int) -> Project:
        return Project(channel="poke1", project_id="story", image=RenderChoices(seed=seed))

    await asyncio.gather(
        *(projects.put_sentences(drafts if n % 2 else drafts[::-1]) for n in range(6)),
        *(projects.put(choices(n)) for n in range(6)),
    )
    assert len(await projects.sentences("poke1", "story")) == 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"camera_movement": "spin"},
        {"motion_strength": 1.1},
        {"motion_strength": -0.1},
        {"text": " "},
        {"image": {"steps": 0}},
        {"image": {"width": 1_921}},
        {"sentence_id": "../x"},
    ],
    ids=str,
)
def test_what_no_sentence_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SentenceDraft.model_validate(DRAFT.model_dump() | wrong)


def test_a_choice_counts_within_a_wider_one_and_a_style_is_one_choice() -> None:
    wide = RenderChoices(model_id="z_image_turbo", style_id="cinematic", steps=8)
    assert RenderChoices().within(wide) == wide
    assert RenderChoices(steps=4, cfg=0).within(wide) == wide.model_copy(update={"steps": 4, "cfg": 0.0})
    assert RenderChoices(style="Watercolour").within(wide).style_id is None
    assert SentenceId(channel="a", project_id="b", sentence_id="c")


async def test_a_further_variant_is_dirty_and_takes_nothing_of_the_one_before(projects: ProjectStore) -> None:
    await make_both(projects)
    await projects.choose_video_variant(await read(projects), 2)
    assert await flags(projects) == (False, True)
    assert not await projects.set_video(DRAFT, OTHER, CLIP)
    await projects.choose_image_variant(await read(projects), 3)
    assert await flags(projects) == (True, True)
    assert not await projects.set_image(DRAFT, ONE, PICTURE)
    found = await read(projects)
    assert (found.image.variant, found.video.variant) == (3, 2)


async def test_a_further_variant_stays_chosen_when_the_same_is_written_again(projects: ProjectStore) -> None:
    seeded = DRAFT.model_copy(update={"image": RenderChoices(seed=7), "video": RenderChoices(fast=True)})
    await projects.put_sentences([seeded])
    await projects.choose_image_variant(await read(projects), 3)
    await projects.choose_video_variant(await read(projects), 2)
    await make_both(projects)
    before = await read(projects)
    await projects.put_sentences([seeded])
    assert await read(projects) == before
    assert (before.image.variant, before.video.variant) == (3, 2)


@pytest.mark.parametrize(
    ("change", "variants"),
    [
        ({"text": "Gengar grins."}, (None, 2)),
        ({"image": RenderChoices(steps=4)}, (None, 2)),
        ({"image": RenderChoices(variant=1)}, (1, 2)),
        ({"motion_strength": 1.0}, (3, None)),
        ({"audio_file": SPEECH}, (3, None)),
        ({"video": RenderChoices(fast=True)}, (3, None)),
        ({"video": RenderChoices(variant=5)}, (3, 5)),
    ],
    ids=str,
)
async def test_a_further_variant_of_something_else_is_the_first_one_again(
    projects: ProjectStore, change: dict[str, Any], variants: tuple[int | None, int | None]
) -> None:
    await projects.choose_image_variant(await read(projects), 3)
    await projects.choose_video_variant(await read(projects), 2)
    await projects.put_sentences([DRAFT.model_copy(update=change)])
    found = await read(projects)
    assert (found.image.variant, found.video.variant) == variants


async def test_a_variant_is_not_chosen_for_a_sentence_that_changed_meanwhile(projects: ProjectStore) -> None:
    seen = await read(projects)
    await projects.put_sentences([DRAFT.model_copy(update={"text": "Gengar grins."})])
    await projects.choose_image_variant(seen, 2)
    assert (await read(projects)).image.variant is None
