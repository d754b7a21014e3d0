"""What a sentence's picture and clip are to be made with: its own choices, the project's, the model's, the style's."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from studio.contracts.base import MediaRef
from studio.contracts.model import GenerationModel, ModelCategory, VisualStyle
from studio.contracts.project import DEFAULT_HEIGHT, DEFAULT_WIDTH, Project, RenderChoices, Sentence
from studio.contracts.render import MOST_IMAGES, GraphParameters
from studio.errors import InvalidRequest
from studio.styles import choose_model, chosen_style, style_loras, styled_prompt
from studio.takes import seed_of


@dataclass(frozen=True)
class Ordered:
    """Everything that decides how a render comes out, but for the graph's own bytes."""

    model: GenerationModel
    parameters: GraphParameters
    variant: int


@dataclass(frozen=True)
class Offer:
    """What there is to choose from."""

    models: Sequence[GenerationModel]
    styles: Sequence[VisualStyle]


def picture_of(sentence: Sentence, project: Project, offer: Offer, references: Sequence[MediaRef] = ()) -> Ordered:
    """How the picture of a sentence is made; `references` are the pictures of its characters (`image_choices`).

    Raises:
        InvalidRequest: what was chosen does not exist or does not go together.
    """
    choices = image_choices(sentence, project)
    style = chosen_style(offer.styles, choices)
    model = choose_model(
        offer.models, ModelCategory.IMAGE, model_id=choices.model_id, style=style, references=len(references)
    )
    if len(references) > MOST_IMAGES:
        raise InvalidRequest(f"characters: they have {len(references)} pictures, {MOST_IMAGES} can be shown at once")
    wide, high = choices.width or DEFAULT_WIDTH, choices.height or DEFAULT_HEIGHT
    told = _told(sentence, choices, model, style, sentence.picture_words)
    parameters = told.model_copy(update={"width": wide, "height": high, "images": tuple(references)})
    return Ordered(model, parameters, choices.variant or 1)


def clip_of(
    sentence: Sentence, project: Project, offer: Offer, *, frames: int, fps: float, camera_words: str = ""
) -> Ordered:
    """How the clip of a sentence is made of its picture; `frames` are those that will be kept, at `fps`.

    `camera_words` say the camera's movement, last, to a graph that has no numbers for it.

    Raises:
        InvalidRequest: there is no picture yet, or what was chosen does not exist or go together.
    """
    if sentence.image_file is None:
        raise InvalidRequest(f"sentence {sentence.sentence_id} has no picture yet - make its image first")
    choices = video_choices(sentence, project)
    style = chosen_style(offer.styles, choices)
    # The character is in the picture already.
    model = choose_model(offer.models, ModelCategory.VIDEO, model_id=choices.model_id, style=style, references=1)
    words = f"{_ended(sentence.motion_words)} {_ended(camera_words)}" if camera_words else sentence.motion_words
    told = _told(sentence, choices, model, style, words)
    parameters = told.model_copy(
        update={
            "width": choices.width,
            "height": choices.height,
            "frames": frames,
            "fps": float(fps),
            "camera": sentence.camera_movement,
            "strength": sentence.motion_strength,
            "images": (sentence.image_file,),
        }
    )
    return Ordered(model, parameters, choices.variant or 1)


def image_choices(sentence: Sentence, project: Project) -> RenderChoices:
    """What was chosen for the picture, by the sentence or by the project."""
    return sentence.image.within(project.image)


def video_choices(sentence: Sentence, project: Project) -> RenderChoices:
    """What was chosen for the clip. A style of the picture is in the picture: here it counts only if chosen again."""
    return sentence.video.within(project.video)


def batch_of(
    sentences: Sequence[Sentence],
    category: ModelCategory,
    *,
    ids: Collection[str] | None = None,
    force: bool = False,
) -> list[Sentence]:
    """Those whose picture or clip is to be made: of all or of these, the dirty ones; with `force` every one.

    Raises:
        InvalidRequest: an id that no sentence has.
    """
    if unknown := sorted(set(ids or ()) - {sentence.sentence_id for sentence in sentences}):
        raise InvalidRequest(f"sentence_ids: the project has no {', '.join(unknown)}")
    asked = [sentence for sentence in sentences if ids is None or sentence.sentence_id in ids]
    return [sentence for sentence in asked if force or is_dirty(sentence, category)]


def is_dirty(sentence: Sentence, category: ModelCategory) -> bool:
    """Whether its picture or clip is missing or does not fit."""
    return sentence.is_image_dirty if category is ModelCategory.IMAGE else sentence.is_video_dirty


def _ended(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _told(
    sentence: Sentence, choices: RenderChoices, model: GenerationModel, style: VisualStyle | None, words: str
) -> GraphParameters:
    fast = choices.fast or False
    return GraphParameters(
        prompt=styled_prompt(words, style),
        negative=choices.negative,
        seed=seed_of(sentence, seed=choices.seed, variant=choices.variant or 1),
        # With few-step LoRAs the model's own numbers would spoil the picture: the graph knows better ones.
        steps=choices.steps or (None if fast else model.default_steps),
        cfg=choices.cfg if choices.cfg is not None else None if fast else model.default_cfg,
        loras=style_loras(style),
        fast=fast,
    )
