"""Film files against what there is to make them with: models, styles, users' own graphs."""

import asyncio
from pathlib import Path

from commands.filmfile import BuiltFilm, FilmFile, FilmFileInvalid, build_film, read_film_file
from commands.session import Stores
from studio import graphs
from studio.contracts.film import Provider
from studio.errors import InvalidRequest, MediaChanged, MediaMissing
from studio.graphs import Casting
from studio.store.models import ModelStore


async def built_film(stores: Stores, path: Path) -> BuiltFilm:
    """Read a film file and check everything. Nothing is stored.

    Raises:
        FilmFileInvalid: something cannot be made.
    """
    film = await asyncio.to_thread(read_film_file, path)
    casting = await casting_of(stores, film) if film.provider is Provider.COMFYUI else None
    return await asyncio.to_thread(build_film, path, film, stores.scratch, casting)


async def casting_of(stores: Stores, film: FilmFile) -> Casting:
    """The graph and the style of a video by comfyui.

    Raises:
        FilmFileInvalid: there is none of that name.
    """
    store = ModelStore(stores.database)
    try:
        style = graphs.film_style(await store.styles(), film.style)
        model = graphs.clip_model(await store.models(), film.model, style)
        own = await graphs.stored(model.graph_file, stores.objects) if model.graph_file else None
    except InvalidRequest as error:
        raise FilmFileInvalid(str(error)) from None
    except (MediaMissing, MediaChanged) as error:
        raise FilmFileInvalid(f"model: {error}; add the graph again with `comfy add`") from None
    return Casting(model, own, style)
