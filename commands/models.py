"""Video files against what there is to make them with: models, styles, users' own graphs."""

import asyncio
from pathlib import Path

from commands.session import Stores
from commands.video_file import BuiltVideo, VideoFile, VideoFileInvalid, build_video, read_video_file
from studio import graphs
from studio.contracts.video import Provider
from studio.errors import InvalidRequest, MediaChanged, MediaMissing
from studio.graphs import Casting
from studio.store.models import ModelStore


async def built_video(stores: Stores, path: Path) -> BuiltVideo:
    """Read a video file and check everything. Nothing is stored.

    Raises:
        VideoFileInvalid: something cannot be made.
    """
    video = await asyncio.to_thread(read_video_file, path)
    casting = await casting_of(stores, video) if video.provider is Provider.COMFYUI else None
    return await asyncio.to_thread(build_video, path, video, stores.scratch, casting)


async def casting_of(stores: Stores, video: VideoFile) -> Casting:
    """The graph and the style of a video by comfyui.

    Raises:
        VideoFileInvalid: there is none of that name.
    """
    store = ModelStore(stores.database)
    try:
        style = graphs.video_style(await store.styles(), video.style)
        model = graphs.clip_model(await store.models(), video.model, style)
        own = await graphs.stored(model.graph_file, stores.objects) if model.graph_file else None
    except InvalidRequest as error:
        raise VideoFileInvalid(str(error)) from None
    except (MediaMissing, MediaChanged) as error:
        raise VideoFileInvalid(f"model: {error}; add the graph again with `comfy add`") from None
    return Casting(model, own, style)
