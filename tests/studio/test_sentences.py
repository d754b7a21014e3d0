"""What a sentence's picture and clip are made with."""

from typing import Any

import pytest

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.model import GenerationModel, ModelCategory, ModelType, StyleType, VisualStyle
from studio.contracts.project import Project, RenderChoices, Sentence
from studio.contracts.render import MOST_IMAGES, GraphParameters, Lora
from studio.contracts.take import RenderParts
from studio.errors import InvalidRequest
from studio.sentences import Camera, Offer, batch_of, camera_of, clip_of, picture_of
from studio.takes import digest_of_render, seed_of


def model(name: str, kind: ModelType, steps: int, cfg: float) -> GenerationModel:
    return GenerationModel(
        id=name, name=name, category=kind.category, type=kind, graph=name, default_steps=steps, default_cfg=cfg
    )


OFFER = Offer(
    models=[
        model("z_image_turbo", ModelType.TEXT_TO_IMAGE, 8, 1),
        model("flux2_klein_edit", ModelType.IMAGE_TO_IMAGE, 20, 5),
        model("wan22_i2v", ModelType.IMAGE_TO_VIDEO, 20, 3.5),
    ],
    styles=[
        VisualStyle(id="noir", name="Noir", type=StyleType.PROMPT, prompt_prefix="Film noir."),
        VisualStyle(id="ink", name="Ink", type=StyleType.LORA, lora_file="ink.safetensors", lora_strength=0.8),
    ],
)
STILL = MediaRef(key="channels/poke1/projects/story/images/s1.png", sha256="1" * 64, mime="image/png")
PROJECT = Project(channel="poke1", project_id="story")
SENTENCE = Sentence(channel="poke1", project_id="story", sentence_id="s1", text="Haunter floats.")


def with_choices(**choices: Any) -> Sentence:
    return SENTENCE.model_copy(update={"image": RenderChoices(**choices)})


def test_a_sentence_that_says_nothing_gets_the_defaults() -> None:
    ordered = picture_of(SENTENCE, PROJECT, OFFER)
    assert (ordered.model.id, ordered.variant) == ("z_image_turbo", 1)
    assert ordered.parameters == GraphParameters(
        prompt="Haunter floats.", width=1_920, height=1_088, seed=seed_of(SENTENCE), steps=8, cfg=1
    )


def test_what_the_sentence_chooses_counts_before_what_the_project_chooses() -> None:
    project = PROJECT.model_copy(update={"image": RenderChoices(style="noir", steps=12, seed=5, negative="text")})
    sentence = with_choices(style_id="ink", cfg=0, variant=3, width=1_280, height=720)
    ordered = picture_of(sentence, project, OFFER)
    assert ordered.variant == 3
    assert ordered.parameters == GraphParameters(
        prompt="Haunter floats.",
        negative="text",
        width=1_280,
        height=720,
        seed=7,
        steps=12,
        cfg=0,
        loras=(Lora(name="ink.safetensors", strength=0.8),),
    )


def test_a_style_stands_before_the_picture_s_own_prompt() -> None:
    sentence = with_choices(style="NOIR").model_copy(update={"image_prompt": "A ghost in a corridor."})
    assert picture_of(sentence, PROJECT, OFFER).parameters.prompt == "Film noir. A ghost in a corridor."


def test_with_characters_the_picture_is_made_from_their_pictures() -> None:
    ordered = picture_of(SENTENCE, PROJECT, OFFER, [STILL])
    assert (ordered.model.id, ordered.parameters.images) == ("flux2_klein_edit", (STILL,))
    with pytest.raises(InvalidRequest, match="characters: they have 11 pictures, 10 can be shown at once"):
        picture_of(SENTENCE, PROJECT, OFFER, [STILL] * (MOST_IMAGES + 1))


def test_few_step_loras_take_their_own_numbers_unless_somebody_says_others() -> None:
    parameters = picture_of(with_choices(fast=True), PROJECT, OFFER).parameters
    assert (parameters.fast, parameters.steps, parameters.cfg) == (True, None, None)
    parameters = picture_of(with_choices(fast=True, steps=6, cfg=1.5), PROJECT, OFFER).parameters
    assert (parameters.steps, parameters.cfg) == (6, 1.5)


def test_a_clip_is_made_of_the_picture_with_the_sentence_s_camera() -> None:
    sentence = SENTENCE.model_copy(
        update={"image_file": STILL, "camera_movement": CameraMove.ORBIT, "motion_strength": 0.95}
        | {"motion_prompt": "It floats away.", "image": RenderChoices(style="noir", seed=9)}
    )
    camera = camera_of(sentence, numbers=True, in_words=False)
    ordered = clip_of(sentence, PROJECT, OFFER, frames=80, fps=16, camera=camera)
    assert ordered.model.id == "wan22_i2v"
    assert ordered.parameters == GraphParameters(
        prompt="It floats away.",
        frames=80,
        fps=16,
        seed=seed_of(SENTENCE),
        steps=20,
        cfg=3.5,
        camera=CameraMove.ORBIT,
        strength=0.95,
        images=(STILL,),
    )


@pytest.mark.parametrize("said", ["It floats away", "It floats away."])
def test_a_graph_without_numbers_for_the_camera_is_told_in_words_last(said: str) -> None:
    camera = Camera(CameraMove.PAN_LEFT, 0.3, "Very slow pan left")
    sentence = SENTENCE.model_copy(update={"image_file": STILL, "motion_prompt": said})
    ordered = clip_of(sentence, PROJECT, OFFER, frames=80, fps=16, camera=camera)
    assert ordered.parameters.prompt == "It floats away. Very slow pan left."


STATIC, PAN, ORBIT = CameraMove.STATIC, CameraMove.PAN_LEFT, CameraMove.ORBIT


@pytest.mark.parametrize(
    ("said", "move", "strength", "told"),
    [
        ("It floats.", STATIC, 0.9, Camera(STATIC, 0.5, "Static camera")),
        ("It floats.", PAN, 0.45, Camera(PAN, 0.5, "Slow pan left")),
        ("It floats.", PAN, 0.55, Camera(PAN, 0.5, "Slow pan left")),
        ("It floats.", PAN, 0.95, Camera(PAN, 0.9, "Fast pan left")),
        ("It floats. Brisk pan left.", PAN, 0.1, Camera(PAN, 0.5)),
        ("It floats. Slow pan left.", STATIC, 0.9, Camera(PAN, 0.5)),
        ("It floats. The camera orbits it.", STATIC, 0.5, Camera(ORBIT, 0.5)),
        ("It floats. Slow pan left.", ORBIT, 0.5, Camera(ORBIT, 0.5, "Slow orbit around the subject")),
        ("He creeps forward.", STATIC, 0.5, Camera(STATIC, 0.5, "Static camera")),
    ],
)
def test_the_camera_is_said_once_in_words_and_strengths_of_the_same_words_are_one(
    said: str, move: CameraMove, strength: float, told: Camera
) -> None:
    assert camera_of(moved(said, move, strength), numbers=False, in_words=True) == told


@pytest.mark.parametrize(
    ("said", "move", "in_words", "told"),
    [
        ("It floats.", PAN, False, Camera(PAN, 0.55)),
        ("It floats.", ORBIT, True, Camera(ORBIT, 0.55, "Slow orbit around the subject")),
        ("It floats. Slow pan left.", STATIC, False, Camera(PAN, 0.55)),
        ("It floats.", STATIC, False, Camera(STATIC, 0.5)),
    ],
)
def test_a_graph_with_numbers_for_the_camera_gets_them_as_they_are(
    said: str, move: CameraMove, in_words: bool, told: Camera
) -> None:
    assert camera_of(moved(said, move, 0.55), numbers=True, in_words=in_words) == told


def moved(said: str, move: CameraMove, strength: float) -> Sentence:
    return SENTENCE.model_copy(
        update={"motion_prompt": said, "camera_movement": move, "motion_strength": strength, "image_file": STILL}
    )


@pytest.mark.parametrize("sides", [{"width": 1_280}, {"height": 720}])
def test_one_side_alone_is_no_size(sides: dict[str, int]) -> None:
    choices = RenderChoices(**sides)
    sentence = SENTENCE.model_copy(update={"video": choices, "image": choices, "image_file": STILL})
    with pytest.raises(InvalidRequest, match="width, height: say both, or neither"):
        picture_of(sentence, PROJECT, OFFER)
    with pytest.raises(InvalidRequest, match="width, height: say both, or neither"):
        clip_of(sentence, PROJECT, OFFER, frames=80, fps=16)
    whole = PROJECT.model_copy(update={"video": RenderChoices(width=640, height=640)})
    told = clip_of(sentence, whole, OFFER, frames=80, fps=16).parameters
    assert (told.width, told.height) == (sides.get("width", 640), sides.get("height", 640))


def test_a_clip_needs_a_picture() -> None:
    with pytest.raises(InvalidRequest, match="sentence s1 has no picture yet - make its image first"):
        clip_of(SENTENCE, PROJECT, OFFER, frames=80, fps=16)


def test_a_clip_of_another_picture_or_length_is_another_take() -> None:
    def take(digit: str, frames: int) -> str:
        still = STILL.model_copy(update={"sha256": digit * 64})
        asked = clip_of(SENTENCE.model_copy(update={"image_file": still}), PROJECT, OFFER, frames=frames, fps=16)
        parts = RenderParts(graph=asked.model.graph, graph_sha256="0" * 64, parameters=asked.parameters, frames=frames)
        return digest_of_render(parts)

    assert take("1", 80) == take("1", 80)
    assert len({take("1", 80), take("2", 80), take("1", 81)}) == 3


@pytest.mark.parametrize(
    ("category", "ids", "force", "found"),
    [
        (ModelCategory.IMAGE, None, False, ["s1"]),
        (ModelCategory.VIDEO, None, False, ["s1", "s2"]),
        (ModelCategory.IMAGE, None, True, ["s1", "s2", "s3"]),
        (ModelCategory.IMAGE, ["s2", "s1"], False, ["s1"]),
        (ModelCategory.IMAGE, ["s2"], True, ["s2"]),
        (ModelCategory.IMAGE, [], True, []),
    ],
)
def test_a_batch_is_what_is_dirty_or_chosen_or_forced(
    category: ModelCategory, ids: list[str] | None, force: bool, found: list[str]
) -> None:
    flags = {"s1": (True, True), "s2": (False, True), "s3": (False, False)}
    sentences = [
        SENTENCE.model_copy(update={"sentence_id": name, "is_image_dirty": image, "is_video_dirty": video})
        for name, (image, video) in flags.items()
    ]
    assert [one.sentence_id for one in batch_of(sentences, category, ids=ids, force=force)] == found


def test_a_batch_of_sentences_that_are_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="sentence_ids: the project has no s7, s9"):
        batch_of([SENTENCE], ModelCategory.IMAGE, ids=["s9", "s1", "s7"])
