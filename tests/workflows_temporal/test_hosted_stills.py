"""Where a provider finds a still: addresses that open our bucket stand in no history, and old ones are renewed."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image
from temporalio.client import Client

from activities._stills import PreparedStills, WantedStill
from activities.hosting import RENEWED_AFTER, UploadedStills
from simulators.kie import KieSimulator
from studio.contracts.clip import Framing, HostedStill
from studio.contracts.film import Provider
from studio.objects.store import StorePlace, open_store
from tests.simulators.callers import serve
from tests.studio.objects.test_store import BUCKET, SECRET, Bucket
from tests.studio_at_work import make_studio


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
        await studio.make(await studio.request(clips=2))
        assert len(kie.ledger.tasks) == 2
        assert all("X-Amz-Signature=" in task.image_url for task in kie.ledger.tasks)
        runs = [run async for run in temporal.list_workflows()]
        assert {run.id for run in runs} >= {"gate/kling", "video/poke1/vid_1"}
        for run in runs:
            history = await temporal.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            written = b"".join(event.SerializeToString() for event in history.events)
            assert len(written) > 500
            assert [word for word in (b"X-Amz", b"AKIAPLANTED4f9a", endpoint.encode()) if word in written] == [], run.id


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
