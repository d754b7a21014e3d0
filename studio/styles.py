"""Which model makes a picture or clip, and what a style adds to it."""

from collections.abc import Iterable, Sequence

from studio.contracts.model import GenerationModel, ModelCategory, ModelType, StyleType, VisualStyle
from studio.contracts.project import RenderChoices
from studio.contracts.render import Lora
from studio.errors import InvalidRequest
from studio.prompts.style import with_style

DEFAULT_MODELS = {
    ModelType.TEXT_TO_IMAGE: "z_image_turbo",
    ModelType.IMAGE_TO_IMAGE: "flux2_klein_edit",
    ModelType.IMAGE_TO_VIDEO: "wan22_i2v",
}
"""Taken where nobody chose a model; while they are not offered, or the style does not work with them: the next one."""


def styled_prompt(prompt: str, style: VisualStyle | None) -> str:
    """The prompt with the style's words before it."""
    return prompt if style is None else with_style(prompt, style.prompt_prefix)


def style_loras(style: VisualStyle | None) -> tuple[Lora, ...]:
    """The LoRAs a style brings."""
    if style is None or style.type is not StyleType.LORA or style.lora_file is None:
        return ()
    return (Lora(name=style.lora_file, strength=style.lora_strength),)


def chosen_style(styles: Iterable[VisualStyle], choices: RenderChoices) -> VisualStyle | None:
    """The style somebody chose: by its id, or by its name as older callers do, capitals or not.

    Raises:
        InvalidRequest: there is none, or it is not offered any more; the message lists those that are.
    """
    every = list(styles)
    if choices.style_id is not None:
        found, said = [style for style in every if style.id == choices.style_id], f"style_id: {choices.style_id}"
    elif choices.style:
        wanted = choices.style.casefold()
        found = [style for style in every if style.name.casefold() == wanted]
        found, said = found or [style for style in every if style.id.casefold() == wanted], f"style: {choices.style}"
    else:
        return None
    if not found:
        raise InvalidRequest(f"{said} is no style; there are {_listed(every)}")
    if not found[0].active:
        raise InvalidRequest(f"{said} is not offered any more; there are {_listed(every)}")
    return found[0]


def choose_model(
    models: Sequence[GenerationModel],
    category: ModelCategory,
    *,
    model_id: str | None = None,
    style: VisualStyle | None = None,
    references: int = 0,
) -> GenerationModel:
    """The model for a picture or a clip: the one that was chosen, else the default of the type that fits.

    `references` counts the pictures of characters. With any, or with a style that requires one, a picture is made
    from pictures, else from text.

    Raises:
        InvalidRequest: no such model, it makes something else, or it and the style or the characters do not go
            together; the message says which and what would.
    """
    if style is not None and style.requires_character_reference and not references:
        raise InvalidRequest(
            f"style {style.name} needs a character reference, and none is given - choose a character that has a picture"
        )
    wanted = _type_for(category, references)
    if model_id is None:
        return _default(models, wanted, style)
    model = _named(models, model_id, category)
    if model.category is ModelCategory.IMAGE and model.type is not wanted:
        raise InvalidRequest(_wrong_type(model, references))
    if style is not None and not works_with(style, model):
        good = ", ".join(style.compatible_models)
        raise InvalidRequest(f"style {style.name} does not work with model {model.id}; it works with {good}")
    return model


def works_with(style: VisualStyle, model: GenerationModel) -> bool:
    """Whether this style may be laid over what this model makes."""
    return not style.compatible_models or model.id in style.compatible_models


def _type_for(category: ModelCategory, references: int) -> ModelType:
    if category is ModelCategory.VIDEO:
        return ModelType.IMAGE_TO_VIDEO
    return ModelType.IMAGE_TO_IMAGE if references else ModelType.TEXT_TO_IMAGE


def _default(models: Sequence[GenerationModel], wanted: ModelType, style: VisualStyle | None) -> GenerationModel:
    offered = [model for model in models if model.active and model.type is wanted]
    if not offered:
        raise InvalidRequest(f"no {wanted} model is offered - activate one, or choose a model")
    fitting = [model for model in offered if style is None or works_with(style, model)]
    if not fitting:
        assert style is not None
        raise InvalidRequest(
            f"style {style.name} works with {', '.join(style.compatible_models)}, "
            f"and none of these is offered for {wanted}"
        )
    return min(fitting, key=lambda model: (model.id != DEFAULT_MODELS[wanted], model.id))


def _named(models: Sequence[GenerationModel], model_id: str, category: ModelCategory) -> GenerationModel:
    model = next((model for model in models if model.id == model_id), None)
    offered = ", ".join(sorted(one.id for one in models if one.active and one.category is category)) or "none"
    if model is None:
        raise InvalidRequest(f"model_id: {model_id} is no model; for {category} there are {offered}")
    if not model.active:
        raise InvalidRequest(f"model_id: {model_id} is not offered any more; for {category} there are {offered}")
    if model.category is not category:
        raise InvalidRequest(f"model_id: {model_id} makes {model.category}, not {category}; there are {offered}")
    return model


def _wrong_type(model: GenerationModel, references: int) -> str:
    if references:
        return f"model_id: {model.id} makes pictures from text alone; with characters an image-to-image model is needed"
    return f"model_id: {model.id} makes pictures from pictures, and none is given - choose a character that has one"


def _listed(styles: Iterable[VisualStyle]) -> str:
    return ", ".join(sorted(style.name for style in styles if style.active)) or "none"
