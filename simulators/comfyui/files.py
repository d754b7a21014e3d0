"""Uploads, and files as they lie on the disk, whole or not."""

import asyncio
import mimetypes
from email.utils import formatdate
from io import BytesIO
from pathlib import Path

from PIL import Image

from simulators.comfyui.core import Core
from simulators.comfyui.storage import Outside
from simulators.comfyui.words import plain, trouble
from simulators.desk import Call
from simulators.files import file_answer
from simulators.multipart import parts_of
from simulators.wire import Answer, json_answer

KINDS = ("input", "output", "temp")


class Files:
    """POST /upload/image, GET and HEAD /view."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def upload(self, call: Call) -> Answer:
        if len(call.body) > self._core.config.upload_limit:
            return plain(413)
        form = parts_of(call.headers.get("Content-Type", ""), call.body)
        given = {name: part.text for name, part in form.items() if name != "image"}
        kind, subfolder = given.get("type", "input"), given.get("subfolder", "")
        if "image" not in form or not form["image"].filename:
            return plain(400)
        if kind not in KINDS:
            return trouble()
        try:
            wanted = self._core.storage.path(kind, subfolder, form["image"].filename)
        except Outside:
            return plain(400)
        overwrite = given.get("overwrite") in ("true", "1")
        path = await asyncio.to_thread(_keep, wanted, form["image"].data, overwrite)
        self._core.ledger.count("uploads")
        return json_answer({"name": path.name, "subfolder": subfolder, "type": kind})

    async def view(self, call: Call) -> Answer:
        filename, kind = call.query.get("filename", ""), call.query.get("type", "output")
        if not filename:
            return plain(404)
        if filename.startswith("/") or ".." in filename or kind not in KINDS:
            return plain(400)
        try:  # a path inside the name counts for nothing
            path = self._core.storage.path(kind, call.query.get("subfolder", ""), Path(filename).name)
        except Outside:
            return plain(403)
        if not path.is_file():
            return plain(404)
        if call.request.method == "GET":
            self._core.ledger.count("downloads")
        return await asyncio.to_thread(_served, path, call)


def _keep(wanted: Path, data: bytes, overwrite: bool) -> Path:
    """The same bytes again keep their name; others get another one."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    path, number = wanted, 0
    while not overwrite and path.exists():
        if path.read_bytes() == data:
            return path
        number += 1
        path = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
    path.write_bytes(data)
    return path


def _served(path: Path, call: Call) -> Answer:
    data, stat = path.read_bytes(), path.stat()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if wanted := call.query.get("preview"):
        form, _, quality = wanted.partition(";")
        return Answer(_smaller(data, form, int(quality or 90)), 200, f"image/{form}")
    answer = file_answer(data, kind, call.headers.get("Range"))
    tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    headers = {"ETag": tag, "Last-Modified": formatdate(stat.st_mtime, usegmt=True)}
    headers["Content-Disposition"] = f'filename="{path.name}"'
    return Answer(answer.body, answer.status, kind, {**answer.headers, **headers}, answer.code)


def _smaller(data: bytes, form: str, quality: int) -> bytes:
    file = BytesIO()
    with Image.open(BytesIO(data)) as image:
        image.convert("RGB").save(file, "JPEG" if form == "jpeg" else "WEBP", quality=quality)
    return file.getvalue()
