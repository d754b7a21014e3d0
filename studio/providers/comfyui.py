"""ComfyUI, our own render server. https://docs.comfy.org/development/comfyui-server/comms_routes

A server does not make submissions idempotent: the same prompt id posted twice is queued twice. So ids are ours, whoever
submits looks first, and a submission whose answer got lost is looked for, never repeated blindly.
All a server knows of its prompts is in its memory: after a restart only files are left. Polling is the truth, the
WebSocket a hint.
"""

import asyncio
import contextlib
import hashlib
import mimetypes
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from studio.disk import in_work_folder
from studio.errors import (
    ComfyError,
    DownloadBroken,
    GraphRefused,
    OutputMissing,
    RequestRefused,
    ServerGone,
    StorageUnavailable,
    StudioError,
)
from studio.providers import _foreign, _http, comfyui_answers, comfyui_refusals
from studio.providers._border import bordered
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput, ComfyQueue, ComfyStats
from studio.providers.comfyui_socket import ComfyPreview, ComfyProgress, watch_prompt
from studio.providers.comfyui_wire import LARGE, PATIENCE, ComfyWire

API_URL = "http://127.0.0.1:8188"
UPLOAD_FOLDER = "longtake"
PREVIEW_METHOD = "latent2rgb"
LARGEST_OUTPUT = 4 * 1024**3
"""Bytes of a file that is fetched at most."""

HAS_JOBS = (0, 5, 1)
"""The first version with `/api/jobs`."""
HAS_CANCEL = (0, 25)
"""The first version with `/api/jobs/{id}/cancel`."""
HAS_TARGETED_INTERRUPT = (0, 3, 56)
"""The first version whose `/interrupt` can be meant for one prompt; before, it stops whatever runs."""

LARGEST_OBJECT_INFO = 64 * 1024**2
"""Bytes of the list of nodes: 744 kB without custom nodes, some megabytes with many."""
LONGEST_FETCH = 30 * 60.0
"""Seconds for a file as a whole: a server that sends a byte now and then would hold the GPU for ever."""

_UNKNOWN_JOB = "Job not found"
"""The server's own words for a prompt it does not know."""
_FIRST_FILE = ("_", "-audio", "")
"""What follows the number of a prefix's first file: core nodes, VHS_VideoCombine with sound, and without."""
_NO_SUCH_ROUTE = (404, 405)
"""A server's answers to a POST it has no route for: its last route takes every path, but only for GET."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_PROXY_TROUBLE = (502, 503, 504)

_gone = bordered("ComfyUI", ServerGone)
_broken = bordered("ComfyUI", DownloadBroken)


class ComfyClient:
    """One ComfyUI server. `open_comfyui` makes it."""

    def __init__(self, http: httpx.AsyncClient, *, patience: float = PATIENCE) -> None:
        self._wire = ComfyWire(http, patience)
        self._object_info: tuple[tuple[str, int], dict[str, Any]] | None = None

    # ── the server ───────────────────────────────────────────────────────

    @_gone
    async def system_stats(self) -> ComfyStats:
        """The server's version, memory and devices; also a cheap sign of life."""
        return await self._wire.stats()

    @_gone
    async def version(self) -> str:
        """The server's version, asked once, and again when the server was away. Empty when it does not say."""
        return await self._wire.version()

    @_gone
    async def object_info(self, *, refresh: bool = False) -> dict[str, Any]:
        """Every node the server has: its inputs, and in them the model files that are there.

        Kept for as long as the server stays and its version is the same; `refresh` asks anew, because a model file
        may have been copied meanwhile.
        """
        known_of = (await self._wire.version(), self._wire.outages)
        if refresh or self._object_info is None or self._object_info[0] != known_of:
            nodes = await self._wire.read("GET", "/object_info", limit=LARGEST_OBJECT_INFO, **self._slow)
            self._object_info = (known_of, nodes)
        return self._object_info[1]

    @_gone
    async def queue(self) -> ComfyQueue:
        """Who is being served and who waits; the prompts may be anybody's."""
        return comfyui_answers.queue_of(await self._wire.read("GET", "/queue"))

    @_gone
    async def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """Ask the server to give memory back; it does so between two prompts."""
        await self._wire.ask("POST", "/free", json={"unload_models": unload_models, "free_memory": free_memory})

    @property
    def _slow(self) -> dict[str, float]:
        return {"deadline": LARGE * self._wire.patience}

    # ── one prompt ───────────────────────────────────────────────────────

    @_gone
    async def upload(self, data: bytes, name: str) -> str:
        """Put a picture on the server; returns the name graphs know it by.

        The file is named after its content, so an upload can be repeated freely. Only `name`'s suffix is used.
        """
        suffix = re.sub(r"[^a-z0-9.]", "", Path(name).suffix.lower())
        stored = f"{hashlib.sha256(data).hexdigest()}{suffix}"
        mime = mimetypes.guess_type(stored)[0] or "application/octet-stream"
        fields, files = {"subfolder": UPLOAD_FOLDER}, {"image": (stored, data, mime)}
        body = await self._wire.read("POST", "/upload/image", data=fields, files=files, **self._slow)
        given, folder = _foreign.ident(body.get("name")), body.get("subfolder")
        if given is None:
            raise self._wire.gone("ComfyUI took the upload but gave no name for it")
        return ComfyOutput(given, folder if isinstance(folder, str) else "", "input").path

    @_gone
    async def look_up(self, prompt_id: str) -> ComfyJob | None:
        """What the server knows of a prompt; None: nothing, or nothing any more.

        Raises:
            ServerGone: the look failed; the prompt goes on.
        """
        if await self._wire.at_least(HAS_JOBS):
            answer = await self._wire.ask("GET", f"/api/jobs/{prompt_id}", fine=(404,))
            body = _http.json_object(answer) or {}
            if answer.is_success and body:
                return comfyui_answers.job_of(body)
            if body.get("error") == _UNKNOWN_JOB:
                return None
            # Any other answer is no "unknown", which would be a second submission. Is this another, older server?
            self._wire.forget_version()
        # In this order: a prompt that ends in between is in the history by then. The other order could miss it.
        try:
            queued = (await self.queue()).job(prompt_id)
            if queued is not None:
                return queued
            return comfyui_answers.history_of(prompt_id, await self._wire.read("GET", f"/history/{prompt_id}"))
        except RequestRefused as refused:  # every server has these routes: just now something else answers for it
            raise self._wire.gone(str(refused)) from None

    @_gone
    async def client_of(self, prompt_id: str) -> str | None:
        """Who hears of a prompt that waits or runs: ask once, when `look_up` gave no `client_id`.

        Raises:
            ServerGone: nobody knows.
        """
        job = (await self.queue()).job(prompt_id)
        return job.client_id if job else None

    @_gone
    async def submit(
        self,
        graph: Mapping[str, Any],
        *,
        prompt_id: str,
        client_id: str,
        extra: Mapping[str, Any] | None = None,
        previews: bool = False,
    ) -> None:
        """Queue a graph under an id of ours. Look it up first: a second submission is a second run.

        `extra` is the server's `extra_data`: what stands under its `extra_pnginfo` is embedded in the files.

        Raises:
            ServerGone: nothing was queued, or nobody knows: look before the next attempt.
            GraphRefused: nothing is queued; one of its children where the reason is known.
            InvalidRequest: what would crash the server, or what it answers with 500, is not sent.
        """
        comfyui_refusals.check_shape(graph, prompt_id, client_id, extra or {})
        extra_data = {**(extra or {}), **({"preview_method": PREVIEW_METHOD} if previews else {})}
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id, "extra_data": extra_data}
        try:
            answer = await self._wire.exchange("POST", "/prompt", json=body)
        except _http.AnswerLost as lost:
            return await self._find(prompt_id, ServerGone(f"{lost}; the prompt may have been queued"))
        told = _http.json_object(answer)
        if answer.status_code in _PROXY_TROUBLE or (answer.is_success and told is None):
            gone = self._wire.gone(f"ComfyUI answered {answer.status_code}; the prompt may have been queued")
            return await self._find(prompt_id, gone)
        if answer.status_code == 500:
            return await self._find(prompt_id, GraphRefused("ComfyUI cannot read the graph (500)"))
        await self._check_taken(answer, told or {}, graph, prompt_id)

    @_gone
    async def cancel(self, prompt_id: str) -> None:
        """Ask that a prompt is not made. It may still succeed: look until it has ended, or is unknown.

        An interrupt that comes in the very moment a prompt begins can get lost: ask again while it goes on.
        """
        if await self._wire.at_least(HAS_CANCEL):
            answer = await self._wire.ask("POST", f"/api/jobs/{prompt_id}/cancel", fine=_NO_SUCH_ROUTE)
            if answer.is_success:  # of an unknown prompt, too
                return
            self._wire.forget_version()
        await self.withdraw(prompt_id)
        targeted = await self._wire.at_least(HAS_TARGETED_INTERRUPT)
        if targeted or (await self.queue()).state_of(prompt_id) == "running":
            await self._wire.ask("POST", "/interrupt", json={"prompt_id": prompt_id})

    @_gone
    async def withdraw(self, prompt_id: str) -> None:
        """Take a prompt out of the queue. One that has begun goes on: look."""
        await self._wire.ask("POST", "/queue", json={"delete": [prompt_id]})

    def watch(self, prompt_id: str, client_id: str) -> AsyncGenerator[ComfyProgress | ComfyPreview, None]:
        """What the server tells of a prompt while it goes on: a hint. It ends without a word when the line breaks."""
        url = self._wire.http.base_url.join("ws")
        return watch_prompt(str(url.copy_with(scheme=url.scheme.replace("http", "ws"))), prompt_id, client_id)

    # ── its files ────────────────────────────────────────────────────────

    @_gone
    async def find_output(self, prefix: str, suffix: str) -> ComfyOutput | None:
        """The first file saved under a prefix, for example `longtake/take/1` and `.mp4`; None when there is none.

        It may be half written: trust it when its prompt has succeeded, or when it can be decoded.
        """
        folder, _, stem = prefix.rpartition("/")
        for ending in _FIRST_FILE:
            name = f"{stem}_00001{ending}.{suffix.lstrip('.')}"
            answer = await self._wire.ask("HEAD", "/view", params=ComfyOutput(name, folder).address, fine=(404,))
            if answer.status_code != 404:
                return ComfyOutput(name, folder, size=_foreign.count(answer.headers.get("content-length")))
        return None

    @_broken
    async def fetch(self, output: ComfyOutput, target: Path, *, limit: int = LARGEST_OUTPUT) -> int:
        """Write a file of the server's to `target`; returns its length in bytes. After a failure nothing is there.

        Raises:
            OutputMissing: the server does not have it, or it is empty or longer than `limit`.
            DownloadBroken: fewer bytes came than were promised, or it took longer than half an hour.
            ServerGone: the server is down or unreachable.
            StorageUnavailable: the work folder cannot be written.
        """
        try:
            async with (
                asyncio.timeout(LONGEST_FETCH),
                self._wire.http.stream("GET", "/view", params=output.address, headers=_http.UNPACKED) as answer,
            ):
                if answer.status_code == 404:
                    raise OutputMissing(f"ComfyUI does not have the file {_foreign.quote(output.path)} any more")
                self._wire.check(answer, what=output.path)
                return await _write(answer, target, output, limit)
        except _NEVER_SENT as error:
            raise self._wire.gone(f"ComfyUI cannot be reached ({type(error).__name__})") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise DownloadBroken(
                f"The download of {_foreign.quote(output.path)} broke off ({type(error).__name__})"
            ) from None
        except OSError as error:
            raise StorageUnavailable(f"The work folder cannot be written: {error.strerror}") from None

    # ── after a submission ───────────────────────────────────────────────

    async def _check_taken(
        self, answer: httpx.Response, told: dict[str, Any], graph: Mapping[str, Any], prompt_id: str
    ) -> None:
        """Is it queued as a whole, under our id? A 200 can hide that one of two outputs was thrown away."""
        if answer.status_code != 400:
            self._wire.check(answer)
        if answer.is_success and told.get("prompt_id") != prompt_id:
            await self._drop(_foreign.ident(told.get("prompt_id")) or prompt_id)
            raise GraphRefused("This ComfyUI server is too old: it gives prompts ids of its own; 0.3.44 is needed")
        if answer.is_success and not told.get("node_errors"):
            return
        if answer.is_success:
            await self._drop(prompt_id)
        self._object_info = None  # what we believed of its nodes and model files may be why it was refused
        raise comfyui_refusals.refusal(told, graph)

    async def _find(self, prompt_id: str, error: ComfyError) -> None:
        """After an answer that leaves everything open: is it queued? Then all is well."""
        try:
            found = await self.look_up(prompt_id)
        except ServerGone as gone:
            raise (error if isinstance(error, ServerGone) else gone) from None
        if found is None:
            raise error

    async def _drop(self, prompt_id: str) -> None:
        """Cancel what should not be made. Twice if need be: it may just have begun, see `cancel`."""
        with contextlib.suppress(StudioError):
            await self.cancel(prompt_id)
            left = await self.look_up(prompt_id)
            if left is not None and not left.finished:
                await self.cancel(prompt_id)


@asynccontextmanager
async def open_comfyui(*, url: str = API_URL, patience: float = PATIENCE) -> AsyncIterator[ComfyClient]:
    """A client of the server at `url`, and its connections. `patience`: seconds without a byte before it is gone."""
    async with httpx.AsyncClient(base_url=url, verify=_http.tls(), timeout=httpx.Timeout(patience, connect=5)) as http:
        yield ComfyClient(http, patience=patience)


async def _write(answer: httpx.Response, target: Path, output: ComfyOutput, limit: int) -> int:
    promised, length = _foreign.count(answer.headers.get("content-length")), 0
    name = _foreign.quote(output.path)
    with _removed_unless_whole(target), in_work_folder(), target.open("wb") as file:
        async for chunk in answer.aiter_bytes(1 << 18):
            length += len(chunk)
            if length > limit:
                raise OutputMissing(f"{name} is longer than the {limit} bytes that are fetched at most")
            file.write(chunk)
        if promised is not None and promised != length and "content-encoding" not in answer.headers:
            raise DownloadBroken(f"{length} of {promised} bytes of {name} came")
        if not length:
            raise OutputMissing(f"ComfyUI finished, but the file {name} is empty")
    return length


@contextlib.contextmanager
def _removed_unless_whole(target: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise
