"""Where a provider finds a still: addresses that open our bucket stand in no history, and old ones are renewed."""

import asyncio
import io
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from temporalio.client import Client

from activities._stills import PreparedStills, WantedStill
from activities.hosting import RENEWED_AFTER, UploadedStills
from simulators.comfyui import ComfySimulator
from simulators.kie import KieSimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import Framing, HostedStill
from studio.contracts.video import Provider, VideoRequest
from studio.objects.store import StorePlace, open_store
from tests.renders import VIDEO
from tests.simulators.callers import serve
from tests.studio.media.still_cases import drawn, saved
from tests.studio.objects.test_store import BUCKET, SECRET, Bucket
from tests.studio_at_work import StudioAtWork, make_studio


async def test_a_signed_address_reaches_the_provider_and_no_history(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> None:
    kie.configure(fetch_images="at_create")
    async with AsyncExitStack() as stack:
        endpoint = await serve(stack, Bucket().application())
        place = {
            "still_host": "s3",
            "object_store_url": f"s3://{BUCKET}/studio",
            "s3_endpoint": endpoint,
            "s3_access_key_id": "AKIAPLANTED4f9a",
            "s3_secret_access_key": SECRET,
        }
        studio = make_studio(temporal, database_url, kie, tmp_path, stack, **place)
        await studio.open()
        request = await studio.request(clips=2)
        brought = await bring(studio, "brought.webp", saved(drawn(), "WEBP"))
        await studio.make(with_still(request, 2, brought))
        assert len(kie.ledger.tasks) == 2
        prepared, as_it_is = sorted(urlsplit(task.image_url).path for task in kie.ledger.tasks)
        assert as_it_is.endswith("/channels/poke1/videos/vid_1/stills/clip_01.png")
        assert "/channels/poke1/stills/" in prepared, "not the file that was brought"
        assert all("X-Amz-Signature=" in task.image_url for task in kie.ledger.tasks)
        runs = [run async for run in temporal.list_workflows()]
        assert {run.id for run in runs} >= {"gate/kling", "video/poke1/vid_1"}
        for run in runs:
            history = await temporal.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            written = b"".join(event.SerializeToString() for event in history.events)
            assert len(written) > 500
            assert [word for word in (b"X-Amz", b"AKIAPLANTED4f9a", endpoint.encode()) if word in written] == [], run.id


async def bring(studio: StudioAtWork, name: str, content: bytes) -> MediaRef:
    """A still as a service puts it into the store."""
    path = studio.folder / name
    await asyncio.to_thread(path.write_bytes, content)
    return await studio.objects.put(path, f"channels/poke1/brought/{name}", "image/jpeg")


def with_still(video: VideoRequest, number: int, still: MediaRef) -> VideoRequest:
    clips = [clip.model_copy(update={"still": still}) if clip.number == number else clip for clip in video.clips]
    return video.model_copy(update={"clips": clips})


def files_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def sideways(studio: StudioAtWork) -> MediaRef:
    """A photograph that is stored turned, with words in its metadata."""
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010E] = "SECRET-PROMPT"
    return await bring(
        studio, "photo.jpg", saved(drawn(640, 360).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=tags)
    )


def ensure_prepared(sent: list[bytes], size: tuple[int, int]) -> None:
    (content,) = sent
    picture = Image.open(io.BytesIO(content))
    assert (picture.size, dict(picture.getexif()), b"SECRET-PROMPT" in content) == (size, {}, False)


async def test_a_provider_gets_the_prepared_picture_and_never_the_file(studio: StudioAtWork, kie: KieSimulator) -> None:
    video = await studio.request(clips=1)
    await studio.make(with_still(video, 1, await sideways(studio)))
    ensure_prepared(await asyncio.to_thread(files_in, kie.folder / "uploads"), (640, 360))


async def test_a_comfyui_server_gets_the_prepared_picture_and_never_the_file(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    video = await gpu_studio.request(clips=1, fit="crop", **VIDEO)
    await gpu_studio.make(with_still(video, 1, await sideways(gpu_studio)))
    ensure_prepared(await asyncio.to_thread(files_in, comfy.folder / "input" / "longtake"), (360, 360))


async def test_the_local_renderer_films_what_people_see(studio: StudioAtWork) -> None:
    """Grey of 16 bits was white, and a photograph lay on its side."""
    dark = np.asarray(drawn(192, 108).convert("L"), np.float64) / 4
    deep = Image.fromarray((dark * 257).astype(np.uint16))
    grey = await bring(studio, "grey.png", saved(deep, "PNG"))
    request = await studio.request(clips=1, provider=Provider.ANIMATIC)
    result = await studio.make(with_still(request, 1, grey))
    file = result.clips[0].file
    assert file is not None and file.picture is not None
    shown = Image.open(io.BytesIO(await studio.objects.read(file.picture))).convert("L")
    assert abs(float(np.asarray(shown, np.float64).mean()) - float(dark.mean())) < 15


class Uploads:
    """A host that takes files, and counts."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def host(self, content: bytes, *, name: str, mime: str) -> str:
        self.names.append(name)
        return f"https://host.example/{len(self.names)}/{name}"


async def test_an_upload_that_may_be_gone_is_repeated_before_the_order(tmp_path: Path) -> None:
    objects = open_store(StorePlace(url=f"file://{tmp_path}/objects"))
    Image.effect_noise((534, 300), 50).convert("RGB").save(tmp_path / "still.png")
    still = await objects.put(tmp_path / "still.png", "channels/poke1/still.png", "image/png")
    uploads = Uploads()
    stills = UploadedStills(PreparedStills(objects, work_dir=tmp_path / "work"), uploads)
    wanted = WantedStill("poke1", still, Provider.KLING, Framing(width=1_920, height=1_080))
    since = datetime(2026, 1, 1, tzinfo=UTC)
    hosted = HostedStill(url=await stills.publish(wanted), since=since)
    assert await stills.address(wanted, hosted, now=since + RENEWED_AFTER - timedelta(minutes=1)) == hosted.url
    renewed = await stills.address(wanted, hosted, now=since + RENEWED_AFTER + timedelta(minutes=1))
    assert renewed != hosted.url
    assert len(uploads.names) == 2 and len(set(uploads.names)) == 1
    assert RENEWED_AFTER < timedelta(hours=24)
