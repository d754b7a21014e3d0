"""catbox.moe and litterbox: plain-text answers, refusals by 412, and files that may not stay."""

import asyncio
import random
import string
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from aiohttp import ClientSession, DummyCookieJar, web
from pydantic import Field

from simulators.desk import Call
from simulators.fetching import Unfetchable, download
from simulators.files import file_answer
from simulators.multipart import Part, parts_of
from simulators.simulator import Simulator, SimulatorConfig
from simulators.wire import HANG_UP, Answer, PlainWords, text_answer

MEGABYTE = 1024 * 1024
BANNED = (".exe", ".scr", ".cpl", ".doc", ".docx", ".docm", ".jar")
LIVES = {"1h": 3_600.0, "12h": 43_200.0, "24h": 86_400.0, "72h": 259_200.0}

Mode = Literal["ok", "datacentre", "paused", "empty", "error_text", "vanishing", "gateway_timeout", "slow"]


class CatboxConfig(SimulatorConfig):
    start_only: ClassVar[frozenset[str]] = SimulatorConfig.start_only | {"files_port", "litter_port"}

    files_port: int = 0
    litter_port: int = 0
    mode: Mode = "ok"
    userhashes: tuple[str, ...] = ("sim-userhash",)
    check_user_agent: bool = True
    slow_seconds: float = Field(default=35, ge=0, description="Real seconds.")
    vanish_after: float = Field(default=0, ge=0, description="Virtual seconds a vanishing file lives.")
    file_limit: int = 200 * MEGABYTE
    gif_limit: int = 20 * MEGABYTE
    litter_limit: int = 1024 * MEGABYTE
    fetch_timeout: float = Field(default=30, gt=0)
    waf: bool = False
    waf_limit: int = Field(default=10, ge=1)
    waf_ban: float = Field(default=3_600, ge=0, description="Virtual seconds a banned client is locked out.")


@dataclass(frozen=True)
class StoredFile:
    """A file on one of the two hosts. `expires` is virtual; files of catbox do not expire."""

    name: str
    url: str
    size: int
    userhash: bool
    wall: float
    virtual: float
    expires: float | None
    litter: bool


class Waf:
    """Locks a client out after too many refusals within a virtual minute."""

    def __init__(self, config: CatboxConfig) -> None:
        self._config = config
        self._refusals: dict[str, deque[float]] = {}
        self._banned: dict[str, float] = {}

    def bans(self, client: str, now: float) -> bool:
        return self._config.waf and now < self._banned.get(client, 0.0)

    def note(self, client: str, status: int, now: float) -> None:
        if not self._config.waf or not 400 <= status < 500:
            return
        recent = self._refusals.setdefault(client, deque())
        recent.append(now)
        while recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= self._config.waf_limit:
            self._banned[client] = now + self._config.waf_ban


class CatboxSimulator(Simulator[CatboxConfig]):
    """Three hosts: api (both upload forms), files, litter."""

    name: ClassVar[str] = "catbox"

    def __init__(self, config: CatboxConfig | None = None) -> None:
        super().__init__(config or CatboxConfig())
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._dice = random.Random(f"{self.config.seed}:names")
        self._files: dict[str, StoredFile] = {}
        self._waf = Waf(self.config)
        self.uploads = self.downloads = self.deleted = 0

    @property
    def files_url(self) -> str:
        return self._sites["files"].url

    @property
    def litter_url(self) -> str:
        return self._sites["litter"].url

    @property
    def files(self) -> list[StoredFile]:
        return list(self._files.values())

    async def open(self) -> None:
        self._session = ClientSession(cookie_jar=DummyCookieJar())
        self._stack.push_async_callback(self._session.close)

    def applications(self) -> dict[str, tuple[int, web.Application]]:
        desk = self.desk(PlainWords())
        api, files, litter = desk.application(), desk.application(), desk.application()
        desk.add(api, "POST", "/user/api.php", "api", self._catbox)
        desk.add(api, "POST", "/resources/internals/api.php", "litterbox", self._litterbox)
        for method in ("GET", "HEAD"):
            desk.add(files, method, "/{name}", "files", self._file)
            desk.add(litter, method, "/{name:.*}", "litter", self._litter_file)
        port = self.config
        return {"api": (port.port, api), "files": (port.files_port, files), "litter": (port.litter_port, litter)}

    # ── uploads ──────────────────────────────────────────────────────────

    async def _catbox(self, call: Call) -> Answer:
        agent = call.headers.get("User-Agent", "")
        if self.config.check_user_agent and (not agent or agent.startswith("Python-urllib")):
            return HANG_UP
        form = parts_of(call.headers.get("Content-Type", ""), call.body)
        userhash = form["userhash"].text if "userhash" in form else ""
        deeds = {"fileupload": self._upload, "urlupload": self._upload_url, "deletefiles": self._delete}
        deed = deeds.get(form["reqtype"].text) if "reqtype" in form else None
        if deed is None:
            return _refusal(412, "No request type given." if "reqtype" not in form else "Unknown request type.")
        if userhash and userhash not in self.config.userhashes:
            return _refusal(412, "Invalid userhash.")
        if (answer := await self._mood(userhash)) is not None:
            return answer
        return await deed(form, userhash)

    async def _mood(self, userhash: str) -> Answer | None:
        match self.config.mode:
            case "paused":
                return _refusal(412, "Uploads are temporarily paused.")
            case "datacentre" if not userhash:
                return _refusal(412, "Anonymous uploads from your network are restricted. A userhash is required.")
            case "empty":
                return replace(text_answer(""), code="empty")
            case "error_text":
                return text_answer("Something went wrong while storing your file.", code="error_text")
            case "gateway_timeout":
                return _refusal(504, "Gateway Time-out")
            case "slow":
                await asyncio.sleep(self.config.slow_seconds)
        return None

    async def _upload(self, form: dict[str, Part], userhash: str) -> Answer:
        if "fileToUpload" not in form:
            return _refusal(412, "No files were given.")
        file = form["fileToUpload"]
        return await self._keep(file.data, Path(file.filename or "").suffix.lower(), userhash=bool(userhash))

    async def _upload_url(self, form: dict[str, Part], userhash: str) -> Answer:
        url = form["url"].text if "url" in form else ""
        if "X-Amz-Signature" in url:
            return _refusal(412, "This source is not allowed.")
        try:
            data = await download(self._session, url, limit=self.config.file_limit, seconds=self.config.fetch_timeout)
        except Unfetchable as problem:
            return _refusal(412, f"Could not get the file: {problem}.")
        return await self._keep(data, Path(url.partition("?")[0]).suffix.lower(), userhash=bool(userhash))

    async def _delete(self, form: dict[str, Part], userhash: str) -> Answer:
        if not userhash:
            return _refusal(412, "Userhash is required.")
        names = (form["files"].text if "files" in form else "").split()
        if any(name not in self._files or not self._files[name].userhash for name in names):
            return _refusal(412, "File doesn't exist?")
        for name in names:
            del self._files[name]
            self.deleted += 1
        return text_answer("Files successfully deleted.")

    async def _keep(self, data: bytes, suffix: str, *, userhash: bool) -> Answer:
        if len(data) > self.config.file_limit:
            return _refusal(413, "File is too large.")
        if suffix in BANNED or (suffix == ".gif" and len(data) > self.config.gif_limit):
            return _refusal(412, "This file is not allowed.")
        gone = self.config.mode == "vanishing"
        life = self.config.vanish_after if gone else None
        return await self._store(data, suffix, self.files_url, life=life, userhash=userhash)

    async def _litterbox(self, call: Call) -> Answer:
        form = parts_of(call.headers.get("Content-Type", ""), call.body)
        if "reqtype" not in form or form["reqtype"].text != "fileupload":
            return _refusal(412, "No request type given.")
        time_given = form["time"].text if "time" in form else ""
        if time_given not in LIVES:
            return _refusal(412, "No valid expire time specified.")
        if "fileToUpload" not in form:
            return _refusal(412, "No files were given.")
        file = form["fileToUpload"]
        if len(file.data) > self.config.litter_limit:
            return _refusal(413, "File is too large.")
        length = 16 if "fileNameLength" in form and form["fileNameLength"].text == "16" else 6
        suffix = Path(file.filename or "").suffix.lower()
        return await self._store(file.data, suffix, self.litter_url, life=LIVES[time_given], length=length)

    async def _store(
        self, data: bytes, suffix: str, host: str, *, life: float | None, userhash: bool = False, length: int = 6
    ) -> Answer:
        name = "".join(self._dice.choices(string.ascii_lowercase + string.digits, k=length)) + suffix
        await asyncio.to_thread((self.folder / name).write_bytes, data)
        now = self.clock.now()
        expires = None if life is None else now + life
        litter = host == self.litter_url
        url = f"{host}/{name}"
        self._files[name] = StoredFile(name, url, len(data), userhash, time.time(), now, expires, litter)
        self.uploads += 1
        return text_answer(url)

    # ── downloads ────────────────────────────────────────────────────────

    async def _file(self, call: Call) -> Answer:
        return await self._serve(call, litter=False)

    async def _litter_file(self, call: Call) -> Answer:
        client, now = call.request.remote or "", self.clock.now()
        if self._waf.bans(client, now):
            return _refusal(403, "Forbidden")
        if call.request.method == "HEAD":
            answer = _refusal(405, "Method Not Allowed")
        elif not call.part("name"):
            answer = _refusal(403, "Forbidden")
        else:
            answer = await self._serve(call, litter=True)
        self._waf.note(client, answer.status, now)
        return answer

    async def _serve(self, call: Call, *, litter: bool) -> Answer:
        file = self._files.get(call.part("name"))
        if file is None or file.litter != litter or (file.expires is not None and self.clock.now() >= file.expires):
            return _refusal(404, "404! File not found.")
        kind = "image/png" if file.name.endswith(".png") else "application/octet-stream"
        if call.request.method == "HEAD":
            return Answer(b"", 200, kind, {"Accept-Ranges": "bytes", "Content-Length": "0"})  # as the real one
        self.downloads += 1
        data = await asyncio.to_thread((self.folder / file.name).read_bytes)
        return file_answer(data, kind, call.headers.get("Range"))

    # ── what the admin door asks ─────────────────────────────────────────

    def forget(self) -> None:
        self._start_afresh()

    def counters(self) -> dict[str, Any]:
        return {"uploads": self.uploads, "deleted": self.deleted, "downloads": self.downloads}

    def ledger_parts(self) -> dict[str, Callable[[], Any]]:
        return {"files": lambda: [asdict(file) for file in self.files]}


def _refusal(status: int, text: str) -> Answer:
    return text_answer(text, status, code=status)
