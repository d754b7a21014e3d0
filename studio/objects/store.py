"""The object store: a folder or S3, through obstore.

A file is written under a temporary name, checked, and only then put: whoever sees a key sees a whole file
(LocalStore stages and renames, S3 puts atomically).
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
from obstore.store import LocalStore, S3Store

from studio.contracts.base import MediaRef
from studio.errors import InvalidRequest, MediaChanged, MediaMissing, ObjectStoreUnavailable

_CHUNK = 1 << 20


class ObjectStore:
    """Where content lives. Keys are made by `studio.objects.keys`."""

    def __init__(self, store: LocalStore | S3Store) -> None:
        self._store = store

    async def put(self, path: Path, key: str, mime: str) -> MediaRef:
        """Store a local file under `key`, replacing what was there.

        Raises:
            ObjectStoreUnavailable: it does not answer.
        """
        sha256, size = await asyncio.to_thread(_digest, path)
        attributes = {"Content-Type": mime} if isinstance(self._store, S3Store) else None  # a folder has none
        with _translated(key):
            await obstore.put_async(self._store, key, path, attributes=attributes)
        return MediaRef(key=key, sha256=sha256, mime=mime, size=size)

    async def put_new(self, path: Path, key: str, mime: str) -> MediaRef:
        """Store a local file under a key of which nothing is ever replaced; returns what lies there.

        Of two who come together the first one's file stays. A bucket cannot promise that: not every one knows
        conditions, and none for files that are sent in parts. There the last one's stays, and lengths that differ
        tell that it is another one.

        Raises:
            ObjectStoreUnavailable: it does not answer.
        """
        if (there := await self.refer(key, mime)) is not None:
            return there
        if not isinstance(self._store, LocalStore):
            return await self.put(path, key, mime)
        sha256, size = await asyncio.to_thread(_digest, path)
        with _translated(key):
            try:
                await obstore.put_async(self._store, key, path, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return await self.put_new(path, key, mime)
        return MediaRef(key=key, sha256=sha256, mime=mime, size=size)

    async def fetch(self, media: MediaRef, target: Path) -> Path:
        """Bring a stored file to `target`.

        Raises:
            MediaMissing: there is none.
            MediaChanged: its bytes are not those of the reference.
            ObjectStoreUnavailable: the store does not answer.
        """
        seen = hashlib.sha256()
        with _translated(media.key):
            stream = (await obstore.get_async(self._store, media.key)).stream(min_chunk_size=_CHUNK)
            with target.open("wb") as file:
                async for chunk in stream:
                    seen.update(chunk)
                    file.write(chunk)
        if seen.hexdigest() != media.sha256:
            target.unlink(missing_ok=True)  # noqa: ASYNC240
            raise MediaChanged(f"{media.key} is not the file it was when it was referred to")
        return target

    async def read(self, media: MediaRef) -> bytes:
        """A small file as bytes. Raises as `fetch` does."""
        with _translated(media.key):
            content = bytes(await (await obstore.get_async(self._store, media.key)).bytes_async())
        if hashlib.sha256(content).hexdigest() != media.sha256:
            raise MediaChanged(f"{media.key} is not the file it was when it was referred to")
        return content

    async def peek(self, key: str) -> bytes | None:
        """What lies under `key` just now, whoever put it there: for what is replaced again and again, like previews."""
        try:
            with _translated(key):
                return bytes(await (await obstore.get_async(self._store, key)).bytes_async())
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
        seen, size = hashlib.sha256(), 0
        try:
            with _translated(key):
                async for chunk in (await obstore.get_async(self._store, key)).stream(min_chunk_size=_CHUNK):
                    seen.update(chunk)
                    size += len(chunk)
        except MediaMissing:
            return None
        return MediaRef(key=key, sha256=seen.hexdigest(), mime=mime, size=size)

    async def copy(self, source: str, target: str) -> None:
        """Have the same content under another key, too. A folder links it, S3 copies it on its side.

        Raises:
            MediaMissing: there is none.
            ObjectStoreUnavailable: the store does not answer.
        """
        with _translated(source):
            await obstore.copy_async(self._store, source, target)

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
        return ObjectStore(LocalStore(prefix=Path(unquote(url.path)), mkdir=True))
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


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MediaMissing(f"{key} is not in the object store") from None
    except NotSupportedError as error:
        raise InvalidRequest(f"the object store cannot do this: {error}") from None
    except (BaseError, OSError) as error:
        raise ObjectStoreUnavailable(f"The object store does not answer ({type(error).__name__})") from None
