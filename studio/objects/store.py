"""The object store: a folder or S3, through obstore.

A file is written under a temporary name, checked, and only then put: a key shows a whole file or none (a folder
stages and renames, `studio.objects.folder`; S3 puts atomically).
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotSupportedError
from obstore.store import LocalStore, S3Store

from studio.contracts.base import MediaRef
from studio.disk import FULL, in_work_folder
from studio.errors import (
    InvalidRequest,
    MediaChanged,
    MediaMissing,
    ObjectStoreUnavailable,
)
from studio.objects.folder import Folder

MOST_IN_MEMORY = 64 << 20
"""Bytes of a file that is read at once: stills, graphs, previews. Longer ones are fetched into files."""
MOST_UNCOUNTED = 1 << 30
"""Bytes of a file whose reference does not say its length."""
LEFTOVER_AGE = timedelta(hours=1)
"""A temporary file that nobody has written to for so long, and nobody has locked, is left over."""

_CHUNK = 1 << 20
_FULL_TEXT = re.compile(
    r"No space left|os error 28|StorageFull|QuotaExceeded|InsufficientStorage|507 Insufficient", re.I
)
"""How S3 servers and the system say that a disk is full, inside errors that have no number."""


class ObjectStore:
    """Where content lives. Keys are made by `studio.objects.keys`."""

    def __init__(self, store: LocalStore | S3Store, folder: Folder | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, path: Path, key: str, mime: str) -> MediaRef:
        """Store a local file under `key`, replacing what was there.

        Raises:
            ObjectStoreUnavailable: it does not answer, or has no space left.
        """
        sha256, size = await asyncio.to_thread(_digest, path)
        with _translated(key):
            if self._folder is not None:
                await asyncio.to_thread(self._folder.put, path, key)
            else:
                await obstore.put_async(self._store, key, path, attributes={"Content-Type": mime})
        return MediaRef(key=key, sha256=sha256, mime=mime, size=size)

    async def put_new(self, path: Path, key: str, mime: str) -> MediaRef:
        """Store a local file under a key of which nothing is ever replaced; returns what lies there. It is on the disk
        when this returns, and read-only in a folder.

        Of two that come together the first one's file stays. A bucket cannot promise that: not every one knows
        conditions, and none for files that are sent in parts. There the last one's stays, and lengths that differ
        tell that it is another one.

        Raises:
            ObjectStoreUnavailable: it does not answer, or has no space left.
        """
        if (there := await self.refer(key, mime)) is not None:
            return there
        if self._folder is None:
            return await self.put(path, key, mime)
        sha256, size = await asyncio.to_thread(_digest, path)
        with _translated(key):
            if not await asyncio.to_thread(self._folder.put_new, path, key):
                return await self.put_new(path, key, mime)
        return MediaRef(key=key, sha256=sha256, mime=mime, size=size)

    async def fetch(self, media: MediaRef, target: Path) -> Path:
        """Bring a stored file to `target`; never more bytes than the reference says.

        Raises:
            MediaMissing: there is none.
            MediaChanged: its bytes are not those of the reference.
            ObjectStoreUnavailable: the store does not answer.
            WorkFolderFull: there is no space left for it here.
        """
        seen = hashlib.sha256()
        try:
            with in_work_folder(), target.open("wb") as file:
                async for chunk in self._chunks(media):
                    seen.update(chunk)
                    file.write(chunk)
            _ensure_same(media, seen.hexdigest())
        except BaseException:
            target.unlink(missing_ok=True)  # noqa: ASYNC240
            raise
        return target

    async def read(self, media: MediaRef) -> bytes:
        """A small file as bytes. Raises as `fetch` does, and `InvalidRequest` for one that is not small."""
        content = bytearray()
        async for chunk in self._chunks(media, most=MOST_IN_MEMORY):
            content += chunk
        _ensure_same(media, hashlib.sha256(content).hexdigest())
        return bytes(content)

    async def peek(self, key: str) -> bytes | None:
        """What lies under `key` just now: for what is replaced again and again, like previews. None: nothing, or
        more than a preview has."""
        try:
            with _translated(key):
                found = await obstore.get_async(self._store, key)
                return None if int(found.meta["size"]) > MOST_IN_MEMORY else bytes(await found.bytes_async())
        except MediaMissing:
            return None

    async def size(self, key: str) -> int | None:
        """Length in bytes of what lies under `key`; None when there is nothing."""
        try:
            with _translated(key):
                return int((await obstore.head_async(self._store, key))["size"])
        except MediaMissing:
            return None

    async def refer(self, key: str, mime: str) -> MediaRef | None:
        """A reference to what lies under `key`, by reading all of it; None when there is nothing."""
        try:
            with _translated(key):
                sha256, size = await self._digest(key)
        except MediaMissing:
            return None
        return MediaRef(key=key, sha256=sha256, mime=mime, size=size)

    async def is_intact(self, media: MediaRef) -> bool:
        """Whether the bytes of the reference lie under its key, by reading all of them."""
        if media.size and await self.size(media.key) != media.size:
            return False
        there = await self.refer(media.key, media.mime)
        return there is not None and there.sha256 == media.sha256

    async def copy(self, source: str, target: str, *, new: bool = False) -> None:
        """Have the same content under another key, too: a file of its own, which shares blocks with the first one only
        where the file system copies them as soon as one is written to. S3 copies on its side.

        Args:
            new: under a key of which nothing is ever replaced.

        Raises:
            MediaMissing: there is none.
            ObjectStoreUnavailable: the store does not answer, or has no space left.
        """
        with _translated(source):
            if self._folder is not None:
                await asyncio.to_thread(self._folder.copy, source, target, new=new)
            else:
                await obstore.copy_async(self._store, source, target)

    async def sweep(self) -> int:
        """Remove temporary files that killed writers left in a folder; returns how many. A bucket has none: what was
        sent in parts and never finished is its lifecycle rules' business."""
        if self._folder is None:
            return 0
        return await asyncio.to_thread(self._folder.sweep, older_than=LEFTOVER_AGE)

    async def delete(self, key: str) -> None:
        """Remove what lies under `key`; nothing there is fine."""
        try:
            with _translated(key):
                await obstore.delete_async(self._store, key)
        except MediaMissing:
            return

    async def keys(self, prefix: str) -> list[str]:
        """All keys below `prefix`, sorted."""
        with _translated(prefix):
            return sorted([str(entry["path"]) async for batch in obstore.list(self._store, prefix) for entry in batch])

    async def sign(self, key: str, *, valid: timedelta) -> str:
        """An address under which anybody can fetch `key` for a while.

        Raises:
            InvalidRequest: this store is a folder and has no addresses.
        """
        if not isinstance(self._store, S3Store):
            raise InvalidRequest("a folder has no public addresses - Set OBJECT_STORE_URL to an S3 bucket")
        with _translated(key):
            return str(await obstore.sign_async(self._store, "GET", key, valid))

    async def _chunks(self, media: MediaRef, *, most: int | None = None) -> AsyncIterator[bytes]:
        """The bytes under a reference's key; refused as soon as they are more than it says, or than `most`."""
        with _translated(media.key):
            found = await obstore.get_async(self._store, media.key)
        length = int(found.meta["size"])
        if media.size and length != media.size:
            raise MediaChanged(f"{media.key} has {length} bytes instead of {media.size}")
        most = most or (None if media.size else MOST_UNCOUNTED)
        if most is not None and length > most:
            raise InvalidRequest(f"{media.key} has {length} bytes; at most {most} can be read at once")
        seen = 0
        stream = aiter(found.stream(min_chunk_size=_CHUNK))
        while True:
            with _translated(media.key):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            seen += len(chunk)
            if seen > length:
                raise MediaChanged(f"{media.key} grew while it was read")
            yield bytes(chunk)

    async def _digest(self, key: str) -> tuple[str, int]:
        if self._folder is not None:
            return await asyncio.to_thread(self._folder.digest, key)
        seen, size = hashlib.sha256(), 0
        async for chunk in (await obstore.get_async(self._store, key)).stream(min_chunk_size=_CHUNK):
            seen.update(chunk)
            size += len(chunk)
        return seen.hexdigest(), size


@dataclass(frozen=True)
class StorePlace:
    """Where an object store is, and who may use it."""

    url: str
    """`file:///srv/longtake/objects`, or `s3://bucket/prefix`."""
    endpoint: str | None = None
    """Address of a store that speaks S3's protocol; none: AWS."""
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None


def open_store(place: StorePlace) -> ObjectStore:
    """The store at this place. A folder is made when it is not there."""
    url = urlsplit(place.url)
    if url.scheme == "file":
        path = Path(unquote(url.path))
        return ObjectStore(LocalStore(prefix=path, mkdir=True), Folder(path))
    given = {
        "endpoint": place.endpoint,
        "region": place.region,
        "access_key_id": place.access_key_id,
        "secret_access_key": place.secret_access_key,
    }
    store = S3Store(
        url.netloc,
        prefix=url.path.strip("/") or None,
        retry_config={"max_retries": 0},
        client_options={"allow_http": (place.endpoint or "").startswith("http://")},
        **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]  # a TypedDict
    )
    return ObjectStore(store)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


def _ensure_same(media: MediaRef, sha256: str) -> None:
    if sha256 != media.sha256:
        raise MediaChanged(f"{media.key} is not the file it was when it was referred to")


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MediaMissing(f"{key} is not in the object store") from None
    except NotSupportedError as error:
        raise InvalidRequest(f"the object store cannot do this: {error}") from None
    except (BaseError, OSError) as error:
        if getattr(error, "errno", None) in FULL or _FULL_TEXT.search(str(error)):
            raise ObjectStoreUnavailable("No space left in the object store") from None
        raise ObjectStoreUnavailable(f"The object store does not answer ({type(error).__name__})") from None
