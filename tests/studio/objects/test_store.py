"""The object store, as a folder and as a bucket: the bucket is a small S3 of our own, over real HTTP."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

import httpx
import pytest
from aiohttp import web

from studio.contracts.base import MediaRef
from studio.errors import InvalidRequest, MediaChanged, MediaMissing, ObjectStoreUnavailable, StudioError
from studio.objects.store import ObjectStore, StorePlace, open_store
from studio.settings import Settings
from tests.simulators.callers import serve

KEY = "channels/poke1/videos/vid_1/clips/clip_01.mp4"
MISSING = MediaRef(key="channels/poke1/none.mp4", sha256="0" * 64, mime="video/mp4")
BUCKET = "videos"
SECRET = "bucket-secret-4f9a1c"
PART = 5 * 1024 * 1024
"""What is longer than this is sent to S3 in parts."""


class Bucket:
    """A small S3: objects, lists, uploads in parts. It wants a signature, and does not check it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.requests: list[str] = []
        self.status = 200
        """Anything else: every request is answered so."""
        self._parts: dict[str, dict[int, bytes]] = {}

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", f"/{BUCKET}", self._answer)
        app.router.add_route("*", f"/{BUCKET}/{{key:.*}}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(f"{request.method} {request.path}")
        if self.status != 200:
            return _xml("Error", f"<Code>Refused</Code><Message>{request.headers}</Message>", self.status)
        if "Authorization" not in request.headers and "X-Amz-Signature" not in request.query:
            return _xml("Error", "<Code>AccessDenied</Code>", 403)
        key = request.match_info.get("key", "")
        match request.method:
            case "POST" | "PUT" if request.query.keys() & {"uploads", "uploadId"}:
                return self._in_parts(request, key, body)
            case "PUT":
                self.objects[key] = body
                self.types[key] = request.headers.get("Content-Type", "")
                return web.Response(headers={"ETag": '"e"'})
            case "POST":
                return self._delete(body.decode())
            case "GET" if "list-type" in request.query:
                return self._list(request.query.get("prefix", ""))
        if key not in self.objects:
            return _xml("Error", "<Code>NoSuchKey</Code>", 404)
        content = self.objects[key]
        headers = {"ETag": '"e"', "Last-Modified": _MOMENT, "Content-Length": str(len(content))}
        return web.Response(body=content if request.method == "GET" else b"", headers=headers)

    def _in_parts(self, request: web.Request, key: str, body: bytes) -> web.Response:
        if "uploads" in request.query:
            self.types[key] = request.headers.get("Content-Type", "")
            self._parts[key] = {}
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{quote(key, safe='')}</UploadId>")
        if "partNumber" in request.query:
            self._parts[key][int(request.query["partNumber"])] = body
            return web.Response(headers={"ETag": '"p"'})
        self.objects[key] = b"".join(part for _, part in sorted(self._parts.pop(key).items()))
        return _xml("CompleteMultipartUploadResult", '<ETag>"m"</ETag>')

    def _delete(self, body: str) -> web.Response:
        gone = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", body)]
        for key in gone:
            self.objects.pop(key, None)
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in gone))

    def _list(self, prefix: str) -> web.Response:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"e"</ETag><Size>{len(content)}</Size></Contents>'
            for key, content in self.objects.items()
            if key.startswith(prefix)
        )
        return _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{found}")


_MOMENT = "Thu, 01 Jan 2026 00:00:00 GMT"


def _xml(name: str, content: str, status: int = 200) -> web.Response:
    return web.Response(text=f"<{name}>{content}</{name}>", status=status, content_type="application/xml")


def _bucket_at(endpoint: str) -> ObjectStore:
    place = StorePlace(
        url=f"s3://{BUCKET}/studio/main", endpoint=endpoint, access_key_id="AKIA", secret_access_key=SECRET
    )
    return open_store(place)


@pytest.fixture
async def s3() -> AsyncIterator[tuple[Bucket, str]]:
    """A bucket and its address."""
    bucket = Bucket()
    async with AsyncExitStack() as stack:
        yield bucket, await serve(stack, bucket.application())


@pytest.fixture
def bucket(s3: tuple[Bucket, str]) -> Bucket:
    return s3[0]


@pytest.fixture
def in_bucket(s3: tuple[Bucket, str]) -> ObjectStore:
    return _bucket_at(s3[1])


@pytest.fixture
def in_folder(tmp_path: Path) -> ObjectStore:
    return open_store(StorePlace(url=f"file://{tmp_path}/objects"))


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, in_folder: ObjectStore, in_bucket: ObjectStore) -> ObjectStore:
    """Each of the two."""
    return in_folder if request.param == "folder" else in_bucket


def written(path: Path, content: bytes = b"a clip") -> Path:
    path.write_bytes(content)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ── there and back ───────────────────────────────────────────────────────


async def test_what_is_put_is_referred_to_by_its_bytes_and_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    media = await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    assert media == MediaRef(key=KEY, sha256=hashlib.sha256(b"a clip").hexdigest(), mime="video/mp4", size=6)
    assert await store.read(media) == b"a clip"
    assert await store.fetch(media, tmp_path / "back") == tmp_path / "back"
    assert (tmp_path / "back").read_bytes() == b"a clip"
    assert await store.size(KEY) == 6


@pytest.mark.parametrize("length", [0, PART - 1, PART, 2 * PART + 1])
async def test_a_file_of_any_length_comes_back_whole(store: ObjectStore, tmp_path: Path, length: int) -> None:
    content = (b"0123456789abcdef" * (length // 16 + 1))[:length]
    media = await store.put(written(tmp_path / "clip", content), KEY, "video/mp4")
    await store.fetch(media, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert await store.size(KEY) == media.size == length


async def test_what_lies_there_can_be_referred_to(store: ObjectStore, tmp_path: Path) -> None:
    media = await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    assert await store.refer(KEY, "video/mp4") == media
    assert await store.refer(MISSING.key, "video/mp4") is None


async def test_putting_again_replaces(store: ObjectStore, tmp_path: Path) -> None:
    await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    media = await store.put(written(tmp_path / "clip", b"another"), KEY, "video/mp4")
    assert await store.read(media) == b"another"
    assert await store.keys("channels") == [KEY]


async def test_what_is_never_replaced_stays_and_is_referred_to_as_it_is(store: ObjectStore, tmp_path: Path) -> None:
    first = await store.put_new(written(tmp_path / "clip"), KEY, "video/mp4")
    assert await store.put_new(written(tmp_path / "clip", b"another"), KEY, "video/mp4") == first
    assert await store.read(first) == b"a clip"


async def test_of_many_who_come_together_one_is_first_and_all_refer_to_his_file(
    in_folder: ObjectStore, tmp_path: Path
) -> None:
    paths = [written(tmp_path / f"clip_{number}", bytes([number]) * PART) for number in range(8)]
    there = await asyncio.gather(*(in_folder.put_new(path, KEY, "video/mp4") for path in paths))
    assert len(set(there)) == 1
    assert len(await in_folder.read(there[0])) == PART


async def test_whoever_reads_while_a_file_is_replaced_sees_one_whole_file(
    in_folder: ObjectStore, tmp_path: Path
) -> None:
    contents = [bytes([number]) * (2 * PART) for number in range(4)]
    files = [written(tmp_path / f"clip_{number}", content) for number, content in enumerate(contents)]
    await in_folder.put(files[0], KEY, "video/mp4")

    async def replace() -> None:
        for file in files:
            await in_folder.put(file, KEY, "video/mp4")

    replacing = asyncio.create_task(replace())
    while not replacing.done():
        assert await asyncio.to_thread((tmp_path / "objects" / KEY).read_bytes) in contents
        assert await in_folder.keys("channels") == [KEY]
    await replacing


async def test_other_bytes_under_a_key_are_refused_and_no_file_is_left(store: ObjectStore, tmp_path: Path) -> None:
    media = await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    await store.put(written(tmp_path / "clip", b"b clip"), KEY, "video/mp4")
    with pytest.raises(MediaChanged, match=KEY):
        await store.fetch(media, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(MediaChanged, match=KEY):
        await store.read(media)


async def test_what_is_not_there_is_missing_and_no_file_is_left(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(MediaMissing, match=r"channels/poke1/none\.mp4 is not in the object store"):
        await store.fetch(MISSING, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(MediaMissing):
        await store.read(MISSING)
    assert await store.size(MISSING.key) is None
    assert await store.keys("channels") == []


async def test_deleting_twice_is_fine(store: ObjectStore, tmp_path: Path) -> None:
    media = await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    await store.delete(KEY)
    await store.delete(KEY)
    with pytest.raises(MediaMissing):
        await store.read(media)


async def test_keys_are_told_in_order_and_a_prefix_means_whole_names(store: ObjectStore, tmp_path: Path) -> None:
    file = written(tmp_path / "clip")
    for key in ("channels/poke10/b.mp4", "channels/poke1/b.mp4", "channels/poke1/a/c.mp4", "channels/poke1/a.mp4"):
        await store.put(file, key, "video/mp4")
    below = ["channels/poke1/a.mp4", "channels/poke1/a/c.mp4", "channels/poke1/b.mp4"]
    assert await store.keys("channels/poke1") == await store.keys("channels/poke1/") == below
    assert await store.keys("channels") == [*below, "channels/poke10/b.mp4"]
    assert await store.keys("nothing/here") == []


# ── what only one of the two can ─────────────────────────────────────────


async def test_a_bucket_keeps_the_media_type_and_its_prefix(
    in_bucket: ObjectStore, bucket: Bucket, tmp_path: Path
) -> None:
    await in_bucket.put(written(tmp_path / "still"), "channels/a.png", "image/png")
    await in_bucket.put(written(tmp_path / "video", bytes(PART + 1)), "channels/a.mp4", "video/mp4")
    assert bucket.types == {"studio/main/channels/a.png": "image/png", "studio/main/channels/a.mp4": "video/mp4"}


async def test_a_signed_address_is_good_for_anybody_for_a_while_and_holds_no_secret(
    in_bucket: ObjectStore, tmp_path: Path
) -> None:
    await in_bucket.put(written(tmp_path / "still", b"picture"), "channels/a.png", "image/png")
    url = await in_bucket.sign("channels/a.png", valid=timedelta(hours=24))
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["86400"]
    assert SECRET not in unquote(url)
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(url)).content == b"picture"
        assert (await anybody.get(url.partition("?")[0])).status_code == 403


async def test_a_folder_has_no_public_addresses(in_folder: ObjectStore, tmp_path: Path) -> None:
    await in_folder.put(written(tmp_path / "still"), "channels/a.png", "image/png")
    with pytest.raises(InvalidRequest, match="Set OBJECT_STORE_URL to an S3 bucket"):
        await in_folder.sign("channels/a.png", valid=timedelta(hours=1))


# ── when it does not answer ──────────────────────────────────────────────


async def refusals(store: ObjectStore, folder: Path) -> tuple[object, ...]:
    """What comes of asking for everything, all at once."""
    return await asyncio.gather(
        store.put(written(folder / "clip"), KEY, "video/mp4"),
        store.fetch(MISSING, folder / "back"),
        store.read(MISSING),
        store.size(KEY),
        store.delete(KEY),
        store.keys("channels"),
        return_exceptions=True,
    )


async def test_a_store_nobody_can_reach_is_unavailable_and_worth_another_try(unused_tcp_port: int) -> None:
    with pytest.raises(ObjectStoreUnavailable) as failure:
        await _bucket_at(f"http://127.0.0.1:{unused_tcp_port}").read(MISSING)
    assert failure.value.retryable


@pytest.mark.parametrize("status", [400, 403])
async def test_a_store_that_refuses_us_is_unavailable_whatever_is_asked_and_its_words_are_not_repeated(
    in_bucket: ObjectStore, bucket: Bucket, tmp_path: Path, status: int
) -> None:
    """It repeats the request's headers, signature and all."""
    bucket.status = status
    for error in await refusals(in_bucket, tmp_path):
        assert isinstance(error, ObjectStoreUnavailable)
        assert re.fullmatch(r"The object store does not answer \(\w+\)", str(error))
    assert not (tmp_path / "back").exists()


async def test_only_temporal_retries(in_bucket: ObjectStore, bucket: Bucket) -> None:
    bucket.status = 503
    with contextlib.suppress(ObjectStoreUnavailable):
        await in_bucket.size(KEY)
    assert len(bucket.requests) == 1


async def test_a_folder_that_has_become_a_file_is_unavailable(in_folder: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "objects").rmdir()
    (tmp_path / "objects").write_bytes(b"")
    with pytest.raises(ObjectStoreUnavailable):
        await in_folder.put(written(tmp_path / "clip"), KEY, "video/mp4")


@pytest.mark.parametrize("key", ["channels/poke1/../poke2/x", "channels//x", "../x"])
async def test_a_key_that_leads_elsewhere_is_not_even_tried(store: ObjectStore, tmp_path: Path, key: str) -> None:
    """No contract lets such a key through; this is the second lock."""
    with pytest.raises((ValueError, StudioError)):
        await store.put(written(tmp_path / "clip"), key, "video/mp4")
    assert await store.keys("") == []
    assert names(tmp_path) == ["clip", "objects"]


# ── where it is ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["objects", "my videos", "video #1", "100%", "50%25", "what?", "Pokémon"])
async def test_a_folder_of_any_name_is_found_by_its_address(tmp_path: Path, name: str) -> None:
    store = open_store(StorePlace(url=(tmp_path / name).as_uri()))
    await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    assert (tmp_path / name / KEY).read_bytes() == b"a clip"


def settings(**given: str) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://localhost/longtake", **given})


async def test_spaces_in_an_address_may_be_written_as_they_are(tmp_path: Path) -> None:
    for url in (f"file://{tmp_path}/my videos", f"file://{tmp_path}/my%20videos"):
        store = open_store(settings(object_store_url=url).store_place())
        await store.put(written(tmp_path / "clip"), KEY, "video/mp4")
    assert names(tmp_path) == ["clip", "my videos"]


async def test_a_bucket_is_named_by_settings(s3: tuple[Bucket, str], tmp_path: Path) -> None:
    bucket, address = s3
    place = settings(
        object_store_url=f"s3://{BUCKET}/deep/down/",
        s3_endpoint=address,
        s3_access_key_id="AKIA",
        s3_secret_access_key=SECRET,
    ).store_place()
    await open_store(place).put(written(tmp_path / "clip"), KEY, "video/mp4")
    assert list(bucket.objects) == [f"deep/down/{KEY}"]


async def test_a_bucket_needs_no_prefix(s3: tuple[Bucket, str], tmp_path: Path) -> None:
    bucket, address = s3
    place = StorePlace(url=f"s3://{BUCKET}", endpoint=address, access_key_id="AKIA", secret_access_key=SECRET)
    await open_store(place).put(written(tmp_path / "clip"), KEY, "video/mp4")
    assert list(bucket.objects) == [KEY]


@pytest.mark.parametrize("url", ["file://data/objects", "file:data/objects"])
def test_a_relative_folder_is_refused_and_not_taken_for_one_at_the_root(url: str) -> None:
    with pytest.raises((ValueError, StudioError)):
        settings(object_store_url=url)
