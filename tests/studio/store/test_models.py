"""Models, styles and characters on a real PostgreSQL, and what is there from the beginning."""

from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from studio.contracts.base import MediaRef
from studio.contracts.model import Character, GenerationModel, ModelCategory, ModelType, StyleType, VisualStyle
from studio.errors import InvalidRequest
from studio.store.models import ModelStore
from studio.store.pool import Database

INK = VisualStyle(
    id="ink",
    name="Ink",
    type=StyleType.LORA,
    prompt_prefix="Ink drawing.",
    lora_file="styles/ink.safetensors",
    lora_strength=0.8,
    compatible_models=("z_image_turbo", "flux2_klein_edit"),
    requires_character_reference=True,
)
MINE = GenerationModel(
    id="mine",
    name="My own",
    category=ModelCategory.IMAGE,
    type=ModelType.TEXT_TO_IMAGE,
    graph="my_graph",
    default_steps=4,
    default_cfg=1.5,
)


def picture(digit: str) -> MediaRef:
    return MediaRef(key=f"channels/poke1/characters/{digit}.png", sha256=digit * 64, mime="image/png")


GENGAR = Character(channel="poke1", character_id="gengar", name="Gengar", references=(picture("2"), picture("1")))
HAUNTER = Character(channel="poke1", character_id="haunter", name="Haunter", references=(picture("3"),))


@pytest.fixture
def models(database: Database) -> ModelStore:
    return ModelStore(database)


async def test_a_new_house_has_models_for_every_type_and_three_styles(models: ModelStore) -> None:
    there = {
        model.id: (model.type, model.graph, model.default_steps, model.default_cfg) for model in await models.models()
    }
    assert there == {
        "z_image_turbo": (ModelType.TEXT_TO_IMAGE, "z_image_turbo", 8, 1),
        "flux2_klein_edit": (ModelType.IMAGE_TO_IMAGE, "flux2_klein_edit", 20, 5),
        "wan22_i2v": (ModelType.IMAGE_TO_VIDEO, "wan22_i2v", 20, 3.5),
    }
    styles = {style.id: style.type for style in await models.styles()}
    assert styles == {"cinematic": "prompt", "pixel_art": "lora", "watercolour": "prompt"}


async def test_models_and_styles_come_back_as_they_were_put_and_may_be_put_again(models: ModelStore) -> None:
    retired = MINE.model_copy(update={"active": False})
    for model in (MINE, retired, retired):
        await models.put_model(model)
    for style in (INK.model_copy(update={"lora_strength": 2.0}), INK, INK):
        await models.put_style(style)
    assert [model for model in await models.models() if model.id == "mine"] == [retired]
    assert [style for style in await models.styles() if style.id == "ink"] == [INK]


async def test_two_styles_never_share_a_name(models: ModelStore) -> None:
    with pytest.raises(InvalidRequest, match="name: another style is called CINEMATIC"):
        await models.put_style(INK.model_copy(update={"name": "CINEMATIC"}))
    assert len(await models.styles()) == 3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lora_file": None}, "a LoRA style needs lora_file"),
        ({"type": "prompt"}, "its type is lora"),
        ({"type": "prompt", "lora_file": None, "prompt_prefix": " "}, "a prompt style needs prompt_prefix"),
        ({"lora_strength": 2.1}, "less than or equal to 2"),
        ({"type": "texture"}, "'prompt' or 'lora'"),
    ],
    ids=str,
)
def test_a_style_that_could_do_nothing_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        VisualStyle.model_validate(INK.model_dump() | wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"category": "video"}, "makes image, not video"),
        ({"type": "image-to-video"}, "makes video, not image"),
        ({"graph": "../secrets"}, "pattern"),
        ({"default_steps": 0}, "greater than or equal to 1"),
    ],
    ids=str,
)
def test_a_model_that_contradicts_itself_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GenerationModel.model_validate(MINE.model_dump() | wrong)


async def test_the_database_refuses_what_the_contracts_refuse(database: Database) -> None:
    for statement in (
        "update visual_styles set lora_strength = 2.1",
        "update visual_styles set type = 'texture'",
        "update generation_models set category = 'video' where id = 'z_image_turbo'",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            async with database.transaction() as connection:
                await connection.execute(statement)


async def test_a_character_keeps_the_order_of_its_pictures_and_new_ones_replace_all(models: ModelStore) -> None:
    for _ in range(2):
        await models.put_character(GENGAR)
    await models.put_character(HAUNTER)
    assert await models.characters("poke1") == [GENGAR, HAUNTER]
    fewer = GENGAR.model_copy(update={"references": (picture("9"),)})
    await models.put_character(fewer)
    assert await models.characters("poke1") == [fewer, HAUNTER]


async def test_references_stand_in_the_order_in_which_the_characters_are_named(models: ModelStore) -> None:
    await models.put_character(GENGAR)
    await models.put_character(HAUNTER)
    found = await models.references("poke1", ("haunter", "gengar"))
    assert found == (picture("3"), picture("2"), picture("1"))
    assert await models.references("poke1", ()) == ()


async def test_a_character_nobody_knows_or_without_a_picture_is_said_by_name(models: ModelStore) -> None:
    await models.put_character(GENGAR.model_copy(update={"references": ()}))
    with pytest.raises(InvalidRequest, match="characters: Gengar has no reference picture yet"):
        await models.references("poke1", ("gengar",))
    with pytest.raises(InvalidRequest, match="characters: channel poke1 has no mewtwo"):
        await models.references("poke1", ("gengar", "mewtwo"))
    with pytest.raises(InvalidRequest, match="characters: channel poke2 has no gengar"):
        await models.references("poke2", ("gengar",))
