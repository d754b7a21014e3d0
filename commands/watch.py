"""`starter.py watch`: what happens to a film, line by line, while it happens."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowFailureError, WorkflowQueryFailedError
from temporalio.service import RPCError

from commands.options import DATA, Data, FilmId, Json
from commands.running import Handle, find, look
from commands.session import FAILED, Session, fail, open_session, out, show_json
from commands.telling import cause_of
from studio.contracts.film import VideoProgress
from studio.contracts.progress import Event, EventsLost, Progress
from studio.errors import DatabaseUnavailable, StorageUnavailable
from studio.store.events import Subscription, subscribe

LOOK_SECONDS = 3.0
"""How often the film itself is asked: events are only news, and not every provider tells any."""
LAST_WORDS = 0.3
"""Seconds that are left to events which were under way when the film ended."""

PreviewFile = Annotated[
    Path | None,
    typer.Option("--preview", help="Keep the newest preview here, a JPEG. Workers make them with COMFYUI_PREVIEWS=1."),
]
Tell = Callable[[dict[str, Any], str], None]
"""Given the same for programs and for people."""


def watch(film: FilmId, preview: PreviewFile = None, data: Data = DATA, as_json: Json = False) -> None:
    """Show what happens to a film until it ends, a line for every change. Ctrl-C ends the watching, not the film."""

    def tell(value: dict[str, Any], words: str) -> None:
        show_json(value) if as_json else out.print(words, highlight=False, markup=False, soft_wrap=True)

    async def run() -> bool:
        async with open_session(data) as session:
            handle = await find(session, film)
            watching = Watch(session, handle, preview, tell)
            return await _until_interrupted(watching.run())

    try:
        good = asyncio.run(run())
    except DatabaseUnavailable as error:
        fail(str(error))
    if not good:
        raise SystemExit(FAILED)


async def _until_interrupted(watching: Coroutine[Any, Any, bool]) -> bool:
    """True also when somebody stopped it: nothing is wrong with the film."""
    task = asyncio.create_task(watching)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return True


class Watch:
    """Somebody who looks at a film."""

    def __init__(self, session: Session, handle: Handle, preview: Path | None, tell: Tell) -> None:
        self._session = session
        self._handle = handle
        self._preview = preview
        self._tell = tell
        self._last: dict[str, str] = {}
        """What was said last of each clip, and of the film: only changes are told."""

    async def run(self) -> bool:
        """Until the film ends: did it end well?

        Raises:
            DatabaseUnavailable: there is nobody to hear anything from.
        """
        _, channel, name = self._handle.id.split("/")
        dsn = str(self._session.settings.database_url)
        async with subscribe(dsn, channel=channel, project_id=name) as news:
            ended = asyncio.create_task(self._ended())
            told = [asyncio.create_task(self._listen(news)), asyncio.create_task(self._keep_looking())]
            try:
                await asyncio.wait([ended, *told], return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait(told, timeout=LAST_WORDS)
                for task in told:
                    if task.done():
                        task.result()  # it never ends by itself: say what broke it
                return ended.result()
            finally:
                ended.cancel()
                for task in told:
                    task.cancel()
                await asyncio.gather(ended, *told, return_exceptions=True)

    async def _ended(self) -> bool:
        try:
            outcome = await self._handle.result()
        except WorkflowFailureError as error:
            self._say("end", {"kind": "end", "done": False}, ["film", f"ended: {cause_of(error)}"])
            return False
        self._say("end", {"kind": "end", "done": True}, ["film", f"ready: {outcome.summary}"])
        return True

    async def _listen(self, news: Subscription) -> None:
        async for event in news:
            await self._hear(event)

    async def _hear(self, event: Event) -> None:
        if isinstance(event, EventsLost):
            self._last.pop("lost", None)
            self._say("lost", event.model_dump(), ["", f"some news may be missing: {event.reason}"])
            return await self._look()
        if event.preview and self._preview:
            await self._keep(event.preview, self._preview)
        about = f"clip {event.clip:02d}" if event.clip else event.sentence_id or "film"
        self._say(about, event.model_dump(mode="json", exclude_none=True), [about, *_words(event)], at=event.at)

    async def _keep_looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        with suppress(RPCError, WorkflowQueryFailedError):  # nobody serves it just now, or it has just ended
            progress = await look(self._handle)
            shown = progress.model_dump(mode="json", include={"status", "step", "done", "total", "message"})
            self._say("film", {"kind": "film"} | shown, ["film", *_standing(progress)])

    def _say(self, about: str, value: dict[str, Any], words: list[str], *, at: datetime | None = None) -> None:
        line = "  ".join(word for word in words if word)
        if self._last.get(about) != line:
            self._last[about] = line
            self._tell(value, f"{(at or datetime.now()).astimezone():%H:%M:%S}  {line}")

    async def _keep(self, key: str, target: Path) -> None:
        """Have the picture in the file, whole at any time."""
        with suppress(StorageUnavailable):  # the next one may come
            picture = await self._session.objects.peek(key)
            if picture:
                await asyncio.to_thread(_replace, target, picture)


def _words(event: Progress) -> list[str]:
    """How far a clip is."""
    percent = f"{event.fraction:4.0%}" if event.fraction else ""
    eta = f"{event.eta_seconds:.0f} s left" if event.eta_seconds is not None else ""
    return [f"{event.stage:<9}", percent, eta, event.note]


def _standing(progress: VideoProgress) -> list[str]:
    message = progress.message.partition("\n")[0]
    return [f"{progress.status:<9}", f"{progress.done} of {progress.total} clips", message]


def _replace(target: Path, picture: bytes) -> None:
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(picture)
    part.replace(target)
