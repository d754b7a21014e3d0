"""What a sentence's picture and clip are to be made with: its own choices, the project's, the model's, the style's."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.model import GenerationModel, ModelCategory, VisualStyle
from studio.contracts.project import DEFAULT_HEIGHT, DEFAULT_WIDTH, Project, RenderChoices, Sentence
from studio.contracts.render import MOST_IMAGES, GraphParameters
from studio.errors import InvalidRequest
from studio.prompts.camera import named_move, said_strength, words_for
from studio.styles import choose_model, chosen_style, style_loras, styled_prompt
from studio.takes import seed_of

STRENGTH = 0.5
"""How far a camera goes that does not move, or of which nobody said anything."""


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


@dataclass(frozen=True)
class Camera:
    """What a graph is told of the camera; `words` only if it has no numbers for the move and the text is silent."""

    move: CameraMove
    strength: float = STRENGTH
    words: str = ""


def camera_of(sentence: Sentence, *, numbers: bool, in_words: bool) -> Camera:
    """The camera's movement for a graph that has numbers for it or not, and that needs this move in words or not.

    What makes no difference to the graph is always told alike, so that it makes no other take.
    """
    move, strength = chosen_move(sentence), said_strength(sentence.motion_strength)
    words = words_for(move, strength)
    if not in_words or named_move(sentence.motion_words) is move:  # nobody needs them, or the text says it already
        strength, words = STRENGTH, ""
    if numbers:
        strength = sentence.motion_strength
    return Camera(move, STRENGTH if move is CameraMove.STATIC else strength, words)


def clip_of(
    sentence: Sentence, project: Project, offer: Offer, *, frames: int, fps: float, camera: Camera | None = None
) -> Ordered:
    """How the clip of a sentence is made of its picture, with so many `frames` at `fps`, told this of the camera.

    Raises:
        InvalidRequest: there is no picture yet, or what was chosen does not exist or go together.
    """
    if sentence.image_file is None:
        raise InvalidRequest(f"sentence {sentence.sentence_id} has no picture yet - make its image first")
    choices = video_choices(sentence, project)
    style = chosen_style(offer.styles, choices)
    # The character is in the picture already.
    model = choose_model(offer.models, ModelCategory.VIDEO, model_id=choices.model_id, style=style, references=1)
    words = sentence.motion_words
    if camera is not None and camera.words:
        words = f"{_ended(words)} {_ended(camera.words)}"
    told = _told(sentence, choices, model, style, words)
    parameters = told.model_copy(
        update={
            "width": choices.width,
            "height": choices.height,
            "frames": frames,
            "fps": float(fps),
            "camera": camera.move if camera else None,
            "strength": camera.strength if camera else STRENGTH,
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


def chosen_move(sentence: Sentence) -> CameraMove:
    """The camera's movement. Static is what nobody had to choose: then a move that the motion prompt names counts."""
    if sentence.camera_movement is not CameraMove.STATIC:
        return sentence.camera_movement
    return named_move(sentence.motion_prompt) or CameraMove.STATIC


def _ended(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _told(
    sentence: Sentence, choices: RenderChoices, model: GenerationModel, style: VisualStyle | None, words: str
) -> GraphParameters:
    if (choices.width is None) != (choices.height is None):
        raise InvalidRequest("width, height: say both, or neither")
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
