"""`starter.py comfy …`: what would run on a ComfyUI server, graphs of one's own, models and styles."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from commands import styles
from commands.comfy_tables import about_added, show_choice, show_server
from commands.options import DATA, Data, Json
from commands.servers import list_servers
from commands.session import WRONG_INPUT, Stores, fail, open_stores, settings_if_any, show_json, stores_of
from commands.telling import say
from studio import graphs
from studio.contracts.model import GenerationModel
from studio.errors import ComfyError, DatabaseUnavailable, InvalidRequest
from studio.graphs import Reach, Standing
from studio.objects.store import ObjectStore
from studio.providers.comfyui import API_URL, open_comfyui
from studio.providers.comfyui_answers import ComfyStats
from studio.settings import Settings
from studio.store.models import ModelStore

PATIENCE = 10.0
"""Seconds without a word after which a server does not answer."""

app = typer.Typer(no_args_is_help=True, help="ComfyUI: what runs on a server, graphs of your own, models and styles.")
app.command("servers")(list_servers)
app.add_typer(styles.app, name="style")

Url = Annotated[str | None, typer.Option(help="The server, http://host:8188; none: COMFYUI_URL, or the stack's.")]
GraphFile = Annotated[Path, typer.Argument(help="A graph, exported for the API, with nodes titled in:… and out:….")]
GraphName = Annotated[str | None, typer.Option(help="What it is called from now on; none: as the file.")]


@app.command()
def check(url: Url = None, data: Data = DATA, as_json: Json = False) -> None:
    """Say whether a server answers, what it computes on, and which graphs would run there; what the others lack."""

    async def run() -> None:
        settings = settings_if_any(data)
        address = _address(url, settings)
        try:
            stats, object_info = await _server(address)
        except ComfyError as error:
            fail(f"{address}: {error}")
        shipped = [graphs.standing(template, object_info) for template in graphs.shipped()]
        added, unknown = await _added(settings, object_info)
        if as_json:
            return show_json(_as_json(address, stats, shipped, added, unknown))
        show_server(address, stats, [*shipped, *added], unknown)

    asyncio.run(run())


@app.command()
def add(file: GraphFile, name: GraphName = None, url: Url = None, data: Data = DATA, as_json: Json = False) -> None:
    """Keep a graph of your own and offer it as a model, which videos, projects and sentences name.

    It is checked against a server, the one of --url or, when it answers, the usual one.
    """

    async def run() -> None:
        async with open_stores(data) as stores:
            address = _address(url, stores.settings)
            object_info, why_not = await _schema(address, needed=url is not None)
            try:
                model, reach, remarks = await _add(stores, file, name or file.stem, object_info)
            except InvalidRequest as error:
                fail(f"{file} cannot be added:\n{error}", code=WRONG_INPUT)
        told = {"model": model.model_dump(mode="json"), "checked": object_info is not None, "server": address}
        told |= asdict(reach) | {"remarks": remarks, "reason": why_not}
        checked = f"checked against {address}" if object_info is not None else f"not checked: {why_not}"
        say(told, about_added(model, reach, remarks, checked), as_json)

    asyncio.run(run())


@app.command("list")
def list_models(data: Data = DATA, as_json: Json = False) -> None:
    """List models and styles."""

    async def run() -> None:
        async with open_stores(data) as stores:
            store = ModelStore(stores.database)
            models, styles = await store.models(), await store.styles()
        further = [model.id for model in graphs.offered_models(models) if model not in models]
        if as_json:
            return show_json(
                {
                    "models": [model.model_dump(mode="json") for model in models],
                    "styles": [style.model_dump(mode="json") for style in styles],
                    "graphs": further,
                }
            )
        show_choice(models, styles, further)

    asyncio.run(run())


async def _add(
    stores: Stores, file: Path, name: str, object_info: dict[str, Any] | None
) -> tuple[GenerationModel, Reach, tuple[str, ...]]:
    """The model, what of it can be set, and remarks of the check."""
    try:
        text = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise InvalidRequest(str(error.strerror)) from None
    template = graphs.read_graph(text, name, object_info)
    about = graphs.standing(template, object_info) if object_info is not None else None
    if about is not None and not about.runs:
        raise InvalidRequest("\n".join(about.complaints))
    model = await graphs.add_graph(template, ModelStore(stores.database), stores.objects)
    return model, graphs.reach(template, checked=about is not None), about.remarks if about else ()


async def _server(address: str) -> tuple[ComfyStats, dict[str, Any]]:
    async with open_comfyui(url=address, patience=PATIENCE) as comfy:
        return await comfy.system_stats(), await comfy.object_info()


async def _schema(address: str, *, needed: bool) -> tuple[dict[str, Any] | None, str]:
    """A server's nodes, or why they are not known."""
    try:
        return (await _server(address))[1], ""
    except ComfyError as error:
        if needed:
            fail(f"{address}: {error}")
        return None, f"{address}: {error}"


async def _added(settings: Settings | None, object_info: dict[str, Any]) -> tuple[list[Standing], str]:
    """How the graphs that were added stand, or why nobody knows."""
    if settings is None:
        return [], "no stack runs here, so graphs you added were not looked at"
    async with stores_of(settings) as stores:
        try:
            models = await ModelStore(stores.database).models()
        except DatabaseUnavailable as error:
            return [], f"{error}, so graphs you added were not looked at"
        return await _standings(models, stores.objects, object_info), ""


async def _standings(
    models: list[GenerationModel], objects: ObjectStore, object_info: dict[str, Any]
) -> list[Standing]:
    own = [model for model in models if model.graph_file is not None]
    return [await graphs.standing_of_added(model, objects, object_info) for model in own]


def _address(url: str | None, settings: Settings | None) -> str:
    address = url or (str(settings.comfyui_url) if settings else API_URL)
    if not address.startswith(("http://", "https://")):
        fail(f"--url: {address} is no address like http://host:8188", code=WRONG_INPUT)
    return address.rstrip("/")


def _as_json(
    address: str, stats: ComfyStats, shipped: list[Standing], added: list[Standing], unknown: str
) -> dict[str, Any]:
    told = [asdict(one) | {"source": "shipped"} for one in shipped] + [
        asdict(one) | {"source": "added"} for one in added
    ]
    return {"url": address} | asdict(stats) | {"graphs": told, "note": unknown}
