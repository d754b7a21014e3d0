"""Which model is taken, what a style adds, and what does not go together."""

import pytest

from studio.contracts.model import GenerationModel, ModelCategory, ModelType, StyleType, VisualStyle
from studio.contracts.project import RenderChoices
from studio.contracts.render import Lora
from studio.errors import InvalidRequest
from studio.styles import choose_model, chosen_style, style_loras, styled_prompt, works_with


def model(name: str, kind: ModelType, *, active: bool = True) -> GenerationModel:
    return GenerationModel(
        id=name,
        name=name,
        category=kind.category,
        type=kind,
        graph=name,
        default_steps=8,
        default_cfg=1,
        active=active,
    )


MODELS = [
    model("a_first", ModelType.TEXT_TO_IMAGE),
    model("z_image_turbo", ModelType.TEXT_TO_IMAGE),
    model("flux2_klein_edit", ModelType.IMAGE_TO_IMAGE),
    model("old_edit", ModelType.IMAGE_TO_IMAGE, active=False),
    model("wan22_i2v", ModelType.IMAGE_TO_VIDEO),
]
PLAIN = VisualStyle(id="cinematic", name="Cinematic", type=StyleType.PROMPT, prompt_prefix="Film still, soft light")
PIXELS = VisualStyle(
    id="pixel_art",
    name="Pixel art",
    type=StyleType.LORA,
    lora_file="pixel.safetensors",
    lora_strength=0.7,
    compatible_models=("z_image_turbo",),
)
PORTRAIT = VisualStyle(
    id="portrait", name="Portrait", type=StyleType.PROMPT, prompt_prefix="Portrait.", requires_character_reference=True
)
GONE = PLAIN.model_copy(update={"id": "noir", "name": "Noir", "active": False})
STYLES = [PLAIN, PIXELS, PORTRAIT, GONE]
IMAGE, VIDEO = ModelCategory.IMAGE, ModelCategory.VIDEO


@pytest.mark.parametrize(
    ("prefix", "prompt"),
    [
        ("Film still, soft light", "Film still, soft light, a ghost floats."),
        ("Film still,", "Film still, a ghost floats."),
        ("Film still.", "Film still. a ghost floats."),
    ],
)
def test_the_words_of_a_style_stand_before_the_prompt(prefix: str, prompt: str) -> None:
    assert styled_prompt("a ghost floats.", PLAIN.model_copy(update={"prompt_prefix": prefix})) == prompt


def test_without_a_style_or_its_words_the_prompt_stays_as_it_is() -> None:
    assert styled_prompt("a ghost floats.", None) == "a ghost floats."
    assert styled_prompt("a ghost floats.", PIXELS) == "a ghost floats."


def test_only_a_lora_style_brings_a_lora() -> None:
    assert style_loras(PIXELS) == (Lora(name="pixel.safetensors", strength=0.7),)
    assert style_loras(PLAIN) == style_loras(None) == ()


@pytest.mark.parametrize(
    ("choices", "found"),
    [
        (RenderChoices(style_id="cinematic"), PLAIN),
        (RenderChoices(style="CINEMATIC"), PLAIN),
        (RenderChoices(style="pixel art"), PIXELS),
        (RenderChoices(style="pixel_art"), PIXELS),
        (RenderChoices(style_id="portrait", style="Cinematic"), PORTRAIT),
        (RenderChoices(style=""), None),
        (RenderChoices(), None),
    ],
)
def test_a_style_is_found_by_its_id_or_as_before_by_its_name(choices: RenderChoices, found: VisualStyle | None) -> None:
    assert chosen_style(STYLES, choices) == found


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (
            RenderChoices(style_id="Cinematic"),
            "style_id: Cinematic is no style; there are Cinematic, Pixel art, Portrait",
        ),
        (RenderChoices(style="ghibli"), "style: ghibli is no style; there are Cinematic, Pixel art, Portrait"),
        (RenderChoices(style="Noir"), "style: Noir is not offered any more; there are Cinematic, Pixel art, Portrait"),
    ],
)
def test_a_style_that_is_not_there_is_refused_with_those_that_are(choices: RenderChoices, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chosen_style(STYLES, choices)
    assert str(refused.value) == words


def test_the_default_makes_pictures_from_text_and_with_characters_from_pictures() -> None:
    assert choose_model(MODELS, IMAGE).id == "z_image_turbo"
    assert choose_model(MODELS, IMAGE, references=2).id == "flux2_klein_edit"
    assert choose_model(MODELS, IMAGE, references=1, style=PORTRAIT).id == "flux2_klein_edit"
    assert choose_model(MODELS, VIDEO).id == "wan22_i2v"


def test_the_model_that_was_chosen_is_taken() -> None:
    assert choose_model(MODELS, IMAGE, model_id="a_first", style=PLAIN).id == "a_first"
    assert choose_model(MODELS, VIDEO, model_id="wan22_i2v", references=2).id == "wan22_i2v"


def test_a_default_that_is_not_offered_or_does_not_fit_the_style_gives_way_to_one_that_does() -> None:
    without = [one for one in MODELS if one.id != "z_image_turbo"]
    assert choose_model(without, IMAGE).id == "a_first"
    for_first = PIXELS.model_copy(update={"compatible_models": ("a_first", "old_edit")})
    assert choose_model(MODELS, IMAGE, style=for_first).id == "a_first"
    assert [works_with(for_first, one) for one in MODELS] == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("model_id", "style", "references", "words"),
    [
        (None, PORTRAIT, 0, "style Portrait needs a character reference, and none is given - choose a character"),
        ("flux2_klein_edit", PORTRAIT, 0, "style Portrait needs a character reference"),
        (
            "flux2_klein_edit",
            PIXELS,
            1,
            "style Pixel art does not work with model flux2_klein_edit; it works with z_im",
        ),
        (None, PIXELS, 1, "style Pixel art works with z_image_turbo, and none of these is offered for image-to-image"),
        ("z_image_turbo", None, 1, "model_id: z_image_turbo makes pictures from text alone; with characters"),
        ("flux2_klein_edit", None, 0, "model_id: flux2_klein_edit makes pictures from pictures, and none is given"),
        ("old_edit", None, 1, "model_id: old_edit is not offered any more; for image there are a_first, flux2_klein_"),
        ("sdxl", None, 0, "model_id: sdxl is no model; for image there are a_first, flux2_klein_edit, z_image_turbo"),
        ("wan22_i2v", None, 0, "model_id: wan22_i2v makes video, not image; there are a_first"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(
    model_id: str | None, style: VisualStyle | None, references: int, words: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        choose_model(MODELS, IMAGE, model_id=model_id, style=style, references=references)
    assert str(refused.value).startswith(words)


def test_a_house_without_a_model_of_the_type_says_so() -> None:
    with pytest.raises(InvalidRequest, match="no image-to-video model is offered"):
        choose_model(MODELS[:4], VIDEO)
