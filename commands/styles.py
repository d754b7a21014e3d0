"""`starter.py comfy style …`: visual styles of one's own."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from commands.options import DATA, Data, Json
from commands.session import WRONG_INPUT, fail, open_stores
from commands.telling import say
from studio.contracts.complaint import complaint
from studio.contracts.model import StyleType, VisualStyle
from studio.errors import InvalidRequest
from studio.store.models import ModelStore

app = typer.Typer(no_args_is_help=True, help="Visual styles: add, retire. `comfy list` shows them.")

StyleId = Annotated[str, typer.Argument(help="The style's id.")]


@app.command()
def add(
    style: StyleId,
    name: Annotated[str | None, typer.Option(help="What people call it; none: the id.")] = None,
    prefix: Annotated[str, typer.Option(help="Words said before the prompt.")] = "",
    lora: Annotated[str | None, typer.Option(help="A LoRA file as the server lists it: a LoRA style.")] = None,
    strength: Annotated[float, typer.Option(help="Of the LoRA, 0 to 2.")] = 1.0,
    model: Annotated[list[str] | None, typer.Option(help="A model it works with; may be repeated. None: any.")] = None,
    needs_character: Annotated[
        bool, typer.Option("--needs-character", help="Only with a character's picture.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Add a style, or change the one with this id. What was made with it before is stale then."""

    asked = {
        "id": style,
        "name": name or style,
        "type": StyleType.LORA if lora else StyleType.PROMPT,
        "prompt_prefix": prefix,
        "lora_file": lora,
        "lora_strength": strength,
        "compatible_models": tuple(model or ()),
        "requires_character_reference": needs_character,
    }
    try:
        added = VisualStyle.model_validate(asked)
        asyncio.run(_put(data, added))
    except ValidationError as error:
        fail(f"{style} cannot be added:\n{complaint(error)}", code=WRONG_INPUT)
    except InvalidRequest as error:
        fail(f"{style} cannot be added:\n{error}", code=WRONG_INPUT)
    say(added.model_dump(mode="json"), f"{added.id}: videos and projects name it with `style: {added.name}`", as_json)


@app.command()
def retire(style: StyleId, data: Data = DATA, as_json: Json = False) -> None:
    """Offer a style no more. What was made with it stays; `add` offers it again."""

    async def run() -> None:
        async with open_stores(data) as stores:
            store = ModelStore(stores.database)
            found = [one for one in await store.styles() if one.id == style]
            if not found:
                fail(f"No style has the id {style}", code=WRONG_INPUT)
            await store.put_style(found[0].model_copy(update={"active": False}))
        say({"id": style, "active": False}, f"{style} is not offered any more", as_json)

    asyncio.run(run())


async def _put(data: Path, style: VisualStyle) -> None:
    async with open_stores(data) as stores:
        store = ModelStore(stores.database)
        known = {one.id for one in await store.models()}
        if unknown := [one for one in style.compatible_models if one not in known]:
            raise InvalidRequest(f"model: {', '.join(unknown)} is no model; there are {', '.join(sorted(known))}")
        await store.put_style(style)
