"""`starter.py watch`: what happens to a video or to sentences, line by line, while it happens."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import TerminatedError
from temporalio.service import RPCError

from commands.jobs import Job, Told, find_job, status_of
from commands.options import DATA, Data, Json
from commands.session import FAILED, Session, err, open_session, out, show_json
from commands.telling import cause_of
from studio.contracts.progress import Event, EventsLost, Progress
from studio.errors import StorageUnavailable
from studio.store.events import Subscription, subscribe

LOOK_SECONDS = 3.0
"""How often the job itself is asked: events are only news, and not every provider tells any."""
LAST_WORDS = 0.3
"""Seconds that are left to events which were under way when the job ended."""

JobName = Annotated[
    str,
    typer.Argument(
        help="CHANNEL/VIDEO, VIDEO, CHANNEL/PROJECT, or the workflow's id: project/CHANNEL/PROJECT/video, "
        "image/CHANNEL/PROJECT/SENTENCE, clip/CHANNEL/PROJECT/SENTENCE."
    ),
]
PreviewFile = Annotated[
    Path | None,
    typer.Option("--preview", help="Keep the newest preview here, a JPEG. Workers make them with COMFYUI_PREVIEWS=1."),
]
Tell = Callable[[dict[str, Any], str], None]
"""Given the same for programs and for people."""


def watch(name: JobName, preview: PreviewFile = None, data: Data = DATA, as_json: Json = False) -> None:
    """Show what happens to a video, or to sentences' pictures or clips, until it ends: a line for every change.

    Ctrl-C ends the watching and nothing else.
    """

    def tell(value: dict[str, Any], words: str) -> None:
        show_json(value) if as_json else out.print(words, highlight=False, markup=False, soft_wrap=True)

    async def run() -> bool:
        async with open_session(data) as session:
            watching = Watch(session, await find_job(session, name), preview, tell)
            good = await _until_interrupted(watching.run())
            if preview and not watching.pictures:
                err.print("No preview came: workers keep them with COMFYUI_PREVIEWS=1", highlight=False)
            return good

    if not asyncio.run(run()):
        raise SystemExit(FAILED)


async def _until_interrupted(watching: Coroutine[Any, Any, bool]) -> bool:
    """True also when somebody stopped it: nothing is wrong with the job."""
    task = asyncio.create_task(watching)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return True


class Watch:
    """Somebody who looks at a job."""

    def __init__(self, session: Session, job: Job, preview: Path | None, tell: Tell) -> None:
        self._session = session
        self._job = job
        self._preview = preview
        self._tell = tell
        self.pictures = 0
        """How many previews came."""
        self._last: dict[str, str] = {}
        """What was said last of each clip or sentence, and of all of it: only changes are told."""

    async def run(self) -> bool:
        """Until the job ends: did it end well?

        Raises:
            DatabaseUnavailable: there is nobody to hear anything from.
        """
        async with subscribe(self._session.settings.database_dsn(), job=self._job.handle.id) as news:
            ended = asyncio.create_task(self._ended())
            told = [asyncio.create_task(self._listen(news)), asyncio.create_task(self._keep_looking())]
            try:
                await asyncio.wait([ended, *told], return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait(told, timeout=LAST_WORDS)
                for task in told:
                    if task.done():
                        task.result()  # it never ends by itself: say what broke it
                good, words = ended.result()
            finally:
                ended.cancel()
                for task in told:
                    task.cancel()
                await asyncio.gather(ended, *told, return_exceptions=True)
        self._say(Told("end", {"kind": "end", "done": good, "summary": words}, [self._job.about, words]))
        return good

    async def _ended(self) -> tuple[bool, str]:
        """A run that was replaced by another one is not the end."""
        while True:
            try:
                return self._job.ended(await self._job.handle.result())
            except WorkflowFailureError as error:
                if not (isinstance(error.cause, TerminatedError) and await self._goes_on()):
                    return False, f"ended: {cause_of(error)}"
            self._last.clear()
            self._say(Told("end", {"kind": "replaced"}, [self._job.about, "was changed and started anew"]))

    async def _goes_on(self) -> bool:
        """Whether there is a newer run than the one that was terminated."""
        return await status_of(self._job.handle) is not WorkflowExecutionStatus.TERMINATED

    async def _listen(self, news: Subscription) -> None:
        async for event in news:
            await self._hear(event)

    async def _hear(self, event: Event) -> None:
        if isinstance(event, EventsLost):
            self._last.pop("lost", None)
            self._say(Told("lost", event.model_dump(), ["", f"some news may be missing: {event.reason}"]))
            return await self._look()
        if event.preview and self._preview:
            await self._keep(event.preview, self._preview)
        about = f"clip {event.clip:02d}" if event.clip else event.sentence_id or self._job.about
        value = event.model_dump(mode="json", exclude_none=True)
        self._say(Told(about, value, [about, *_words(event)]), at=event.at)

    async def _keep_looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        with suppress(RPCError, WorkflowQueryFailedError):  # nobody serves it just now, or it has just ended
            for told in await self._job.look():
                self._say(told)

    def _say(self, told: Told, *, at: datetime | None = None) -> None:
        line = "  ".join(word for word in told.words if word)
        if self._last.get(told.about) != line:
            self._last[told.about] = line
            self._tell(told.value, f"{(at or datetime.now()).astimezone():%H:%M:%S}  {line}")

    async def _keep(self, key: str, target: Path) -> None:
        """Have the picture in the file, whole at any time."""
        with suppress(StorageUnavailable):  # the next one may come
            picture = await self._session.objects.peek(key)
            if picture:
                await asyncio.to_thread(_replace, target, picture)
                self.pictures += 1


def _words(event: Progress) -> list[str]:
    """How far a clip is."""
    percent = f"{event.fraction:4.0%}" if event.fraction else ""
    eta = f"{event.eta_seconds:.0f} s left" if event.eta_seconds is not None else ""
    return [f"{event.stage:<9}", percent, eta, event.note]


def _replace(target: Path, picture: bytes) -> None:
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(picture)
    part.replace(target)
