"""The upload host: takes stills in three ways and serves them for a day."""

import asyncio
import base64
import binascii
import hashlib
import mimetypes
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from aiohttp import web

from simulators.desk import Call, Desk
from simulators.fetching import Unfetchable, download
from simulators.files import file_answer
from simulators.kie.core import Core
from simulators.kie.doors import Doors
from simulators.kie.envelope import Envelope
from simulators.kie.images import look
from simulators.multipart import parts_of
from simulators.wire import Answer, text_answer

SERVED = "/uploads/"


class Refused(Exception):
    """The upload is not taken."""


@dataclass(frozen=True)
class Upload:
    """A stored file under its public path. `until`: how long the file before it is still served."""

    path: str
    stored: str
    mime: str
    size: int
    at: float
    width: int | None
    height: int | None
    before: str | None = None
    until: float = 0.0


class Uploads:
    """Three ways in, one way out."""

    def __init__(self, core: Core, envelope: Envelope, folder: Path, base: Callable[[], str]) -> None:
        self._core = core
        self._say = envelope
        self._folder = folder
        self._base = base
        self._doors = Doors(core, envelope)
        self._files: dict[str, Upload] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def forget(self) -> None:
        self._files.clear()

    def application(self, desk: Desk) -> web.Application:
        app = desk.application()
        desk.add(app, "POST", "/api/file-stream-upload", "uploadStream", self._taking(self._streamed))
        desk.add(app, "POST", "/api/file-base64-upload", "uploadBase64", self._taking(self._encoded))
        desk.add(app, "POST", "/api/file-url-upload", "uploadUrl", self._taking(self._linked))
        for method in ("GET", "HEAD"):
            desk.add(app, method, SERVED + "{path:.+}", "uploads", self.serve)
        return app

    def size_of(self, url: str) -> tuple[int, int] | None:
        """The size of a picture, if it lies here."""
        parts = urlsplit(url)
        upload = self._files.get(unquote(parts.path.removeprefix(SERVED)))
        ours = url.startswith(self._base()) and upload is not None and upload.width and upload.height
        return (upload.width, upload.height) if ours and upload and upload.width and upload.height else None

    def keep(self, upload: Upload) -> None:
        self._files[upload.path] = upload
        self._core.ledger.note_upload()
        self._core.journal.write("uploaded", **asdict(upload))

    async def serve(self, call: Call) -> Answer:
        now = self._core.now()
        upload = self._files.get(call.part("path"))
        if upload is None or now - upload.at >= self._core.config.upload_lifetime:
            return text_answer("Not Found", 404, code=404)
        stored = upload.before if upload.before and now < upload.until else upload.stored
        data = await asyncio.to_thread((self._folder / stored).read_bytes)
        return file_answer(data, upload.mime, call.headers.get("Range"))

    # ── the ways in ──────────────────────────────────────────────────────

    def _taking(self, read: Callable[[Call], Any]) -> Callable[[Call], Any]:
        async def take(call: Call) -> Answer:
            if refusal := self._doors.refusal(call):
                return refusal
            try:
                data, folder, name = await read(call)
                return self._say.ok(self._told(await self._store(data, folder, name)))
            except Refused as problem:
                return self._say.refuse(400, str(problem))
            except Unfetchable as problem:
                return self._say.refuse(500, f"Failed to download the file: {problem}")

        return take

    async def _streamed(self, call: Call) -> tuple[bytes, str, str]:
        parts = parts_of(call.headers.get("Content-Type", ""), call.body)
        if "file" not in parts:
            raise Refused("file is required")
        file = parts["file"]
        folder = parts["uploadPath"].text if "uploadPath" in parts else None
        given = parts["fileName"].text if "fileName" in parts else None
        return file.data, _folder(folder), _name(given, file.data, file.filename or "", file.content_type)

    async def _encoded(self, call: Call) -> tuple[bytes, str, str]:
        given = call.json_object() or {}
        head, comma, tail = str(given.get("base64Data") or "").partition(",")
        try:
            data = base64.b64decode(tail if comma else head, validate=True)
        except binascii.Error as error:
            raise Refused("base64Data is not valid") from error
        if not data:
            raise Refused("base64Data is required")
        mime = head.removeprefix("data:").partition(";")[0] if comma else ""
        return data, _folder(given.get("uploadPath")), _name(given.get("fileName"), data, "", mime)

    async def _linked(self, call: Call) -> tuple[bytes, str, str]:
        given = call.json_object() or {}
        url = given.get("fileUrl")
        if not isinstance(url, str) or not url.startswith("http"):
            raise Refused("fileUrl is required")
        folder = _folder(given.get("uploadPath"))
        config = self._core.config
        data = await download(self._core.session, url, limit=config.upload_limit, seconds=config.fetch_timeout)
        return data, folder, _name(given.get("fileName"), data, urlsplit(url).path.rpartition("/")[2], "")

    async def _store(self, data: bytes, folder: str, name: str) -> Upload:
        if len(data) > self._core.config.upload_limit:
            raise Refused(f"the file exceeds {self._core.config.upload_limit} bytes")
        path = f"{folder}/{name}"
        now = self._core.now()
        stored = hashlib.sha256(data).hexdigest()
        await asyncio.to_thread((self._folder / stored).write_bytes, data)
        try:
            still = look(data)
        except Unfetchable:
            still = None
        earlier = self._files.get(path)
        upload = Upload(
            path=path,
            stored=stored,
            mime=mimetypes.guess_type(name)[0] or "application/octet-stream",
            size=len(data),
            at=now,
            width=still.width if still else None,
            height=still.height if still else None,
            before=earlier.stored if earlier else None,
            until=now + self._core.config.overwrite_delay,
        )
        self.keep(upload)
        return upload

    def _told(self, upload: Upload) -> dict[str, Any]:
        url = f"{self._base()}{SERVED}{quote(upload.path)}"
        moment = datetime.fromtimestamp(upload.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        name = upload.path.rpartition("/")[2]
        common = {"fileSize": upload.size, "mimeType": upload.mime, "downloadUrl": url}
        if self._core.config.upload_shape == "current":
            return {"fileName": name, "filePath": upload.path, **common, "uploadedAt": moment}
        return {
            "fileId": upload.stored[:16],
            "fileName": name,
            "originalName": name,
            "fileUrl": url,
            **common,
            "uploadPath": upload.path.rpartition("/")[0],
            "createdAt": moment,
        }


def _folder(given: Any) -> str:
    if not isinstance(given, str) or not given:
        raise Refused("uploadPath is required")
    if given.startswith("/") or given.endswith("/") or ".." in given.split("/"):
        raise Refused("uploadPath must not begin or end with a slash")
    return given


def _name(given: Any, data: bytes, original: str, mime: str) -> str:
    """The name asked for, or one made up that keeps the ending."""
    if isinstance(given, str) and given:
        if "/" in given or given in (".", ".."):
            raise Refused("fileName must not contain a slash")
        return given
    ending = Path(original).suffix or mimetypes.guess_extension(mime) or ""
    return f"{hashlib.sha256(data).hexdigest()[:16]}{ending}"
