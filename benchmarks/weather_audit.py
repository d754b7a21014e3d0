"""What an auditor finds after a run in bad weather: the provider's ledger, PostgreSQL, Temporal and the command line
held against each other, and every file decoded.

`doubled`  tasks charged beyond one per clip, but for those that failed, were written off, or whose picture is at fault
`lost`     delivered tasks whose clip is in no video and no take, and whose order nobody would find in a list
`stuck`    videos that are neither finished nor waiting for a reason that is true
`untrue`   statuses that disagree with each other, or say something false
`books`    what is wrong with our books against the account's charges
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from benchmarks.ground import Ground, Handle, command, order_id, progress_of
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoProgress, VideoStatus
from studio.media._ffmpeg import binary
from studio.store.desk import DeskStore
from studio.store.unresolved import UnresolvedOrders

USD_PER_CREDIT = Decimal("0.005")
BAD_PICTURES = ("black", "frozen", "wrong_length", "audio_only", "truncated", "empty", "html")
"""Kinds of clips at the provider that are not what was ordered, however often they are fetched."""
OPEN = ("sent", "accepted", "unknown")
"""States of an order whose end we do not know."""
WAITING = (VideoStatus.VIDEO_ERROR, VideoStatus.BUDGET_REACHED)
DECODING_AT_ONCE = 2


@dataclass
class Findings:
    """What was found, in words; and figures that are no fault."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: dict[str, list[str]] = field(default_factory=dict)
    """Video → what is wrong about it."""
    untrue: list[str] = field(default_factory=list)
    books: list[str] = field(default_factory=list)
    billed: int = 0
    finished: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    """Video → why it waits, for those that wait for a true reason."""
    orphaned: list[str] = field(default_factory=list)
    """Orders that violate the ledger's invariant, by its own query."""
    unresolved: int = 0
    """Orders in the list that an operator decides about."""

    def lines(self) -> Iterable[str]:
        """Everything found, a line each."""
        for kind in ("doubled", "lost", "orphaned", "untrue", "books"):
            yield from (f"{kind}: {line}" for line in getattr(self, kind))
        yield from (f"stuck: {video}: {line}" for video, lines in self.stuck.items() for line in lines)
        yield from (f"waits: {video}: {why}" for video, why in self.waiting.items())


@dataclass(frozen=True)
class Evidence:
    """Everything that is known, read once when nothing moves any more."""

    tasks: list[dict[str, Any]]
    balance: Decimal
    heard: frozenset[str]
    """Tasks whose callback was answered with 200."""
    orders: dict[str, dict[str, Any]]
    listed: frozenset[str]
    takes: frozenset[str]
    """Tasks whose file is in a take."""
    videos: dict[str, dict[str, Any]]
    clips: dict[tuple[str, int], dict[str, Any]]


async def audit(here: Ground, handles: dict[str, Handle], *, credits: float) -> Findings:
    """Look into everything. `credits`: the account's balance at the beginning."""
    known = await _evidence(here)
    found = Findings()
    judge_orders(known, found)
    judge_books(known, found, Decimal(str(credits)))
    for video, handle in handles.items():
        await _video(here, video, handle, known, found)
    await _listed(here, known, found)
    orphaned = await UnresolvedOrders(here.database).orphaned(unwatched=timedelta(0))
    found.orphaned = [f"{order.video_id}, clip {order.number}: {order.state}, {order.task_id}" for order in orphaned]
    await _files(here, known, found)
    return found


async def _evidence(here: Ground) -> Evidence:
    ledger = await here.ledger("tasks", "counters", "callbacks")
    orders = await here.rows("select * from submissions")
    clips = await here.rows("select * from clips")
    return Evidence(
        tasks=ledger["tasks"],
        balance=Decimal(str(ledger["counters"]["balance"])),
        heard=frozenset(entry["task_id"] for entry in ledger["callbacks"] if entry["status"] == 200),
        orders={str(order["id"]): order for order in orders},
        listed=frozenset(order.submission_id for order in await DeskStore(here.database).lost()),
        takes=frozenset(
            row["task_id"]
            for row in await here.rows("select task_id from takes where file is not null")
            if row["task_id"]
        ),
        videos={row["video_id"]: row for row in await here.rows("select * from videos")},
        clips={(row["video_id"], row["number"]): row for row in clips},
    )


# ── orders and money ─────────────────────────────────────────────────────


def clip_of(task: dict[str, Any]) -> tuple[str, int]:
    """Video and clip a task was ordered for, by the address it was to call back."""
    asked = parse_qs(urlsplit(task["call_back_url"] or "").query)
    return asked["video"][0], int(asked["clip"][0])


def _charged(task: dict[str, Any]) -> Decimal:
    return Decimal(str(task["billed"])) - Decimal(str(task["refunded"]))


def judge_orders(known: Evidence, found: Findings) -> None:
    """What was ordered twice, and what was delivered and is nowhere."""
    by_clip = defaultdict(list)
    for task in known.tasks:
        found.billed += _charged(task) > 0
        order = known.orders.get(order_id(task), {})
        excused = order.get("verdict") == "written_off" or task["clip"] in BAD_PICTURES
        if task["state"] != "fail" and not excused:
            by_clip[clip_of(task)].append(task["task_id"])
        if task["state"] == "success" and not excused and (why := _lost(task, order, known)):
            found.lost.append(f"{clip_of(task)} task {task['task_id']}: {why}")
    for clip, tasks in by_clip.items():
        found.doubled += [f"{clip} task {task} although there is {tasks[0]}" for task in tasks[1:]]
    found.unresolved = len(known.listed)


def _lost(task: dict[str, Any], order: dict[str, Any], known: Evidence) -> str:
    video, number = clip_of(task)
    clip = known.clips.get((video, number), {})
    if task["task_id"] in known.takes or (clip.get("task_id") == task["task_id"] and clip.get("status") == "done"):
        return ""
    if order_id(task) in known.listed:
        return ""
    return (
        f"its order is {order.get('state')}/{order.get('verdict')}, {order.get('reason')!r}; in no video, take or list"
    )


def judge_books(known: Evidence, found: Findings, credits: Decimal) -> None:
    """Every charge of the account belongs to an order whose bill says the same; what is unknown counts as paid."""
    charges: dict[str, Decimal] = defaultdict(Decimal)
    for task in known.tasks:
        charges[order_id(task)] += _charged(task)
    for name in charges.keys() - known.orders.keys():
        found.books.append(f"{charges[name]} credits were charged for {name}, which is no order of ours")
    for name, order in known.orders.items():
        charged = charges[name] * USD_PER_CREDIT
        booked = _booked(order)
        if order["state"] in OPEN or order["verdict"] == "written_off":
            fits = charged in (0, booked)
        else:
            fits = charged == booked
        if not fits:
            state = f"{order['state']}/{order['verdict']}"
            found.books.append(f"order {name} ({state}): booked {booked} USD, charged {charged} USD")
    if (total := sum(charges.values())) != credits - known.balance:
        found.books.append(f"the account lost {credits - known.balance} credits, the tasks cost {total}")


def _booked(order: dict[str, Any]) -> Decimal:
    if order["state"] in ("intended", "refused"):
        return Decimal(0)
    bill = order["billed_usd"]
    return Decimal(order["price_usd"] if bill is None else bill).normalize()


# ── videos ───────────────────────────────────────────────────────────────


async def _video(here: Ground, video: str, handle: Handle, known: Evidence, found: Findings) -> None:
    row = known.videos.get(video, {"status": None, "message": ""})
    described = await handle.describe()
    shown = dict(described.search_attributes).get("VideoStatus", [None])[0]
    try:
        progress: VideoProgress | None = await asyncio.wait_for(progress_of(handle), 20)
    except (RPCError, TimeoutError) as error:
        progress = None
        found.untrue.append(f"{video}: the workflow answers no query ({type(error).__name__})")
    told = {"postgresql": row["status"], "workflow": progress.status if progress else None, "attribute": shown}
    if len({str(status) for status in told.values()}) != 1:
        found.untrue.append(f"{video}: {told}")
    ready = row["status"] == VideoStatus.VIDEO_READY
    if ready != (described.status is WorkflowExecutionStatus.COMPLETED):
        found.untrue.append(f"{video}: {row['status']}, and its workflow is {described.status}")
    if described.status is WorkflowExecutionStatus.COMPLETED:
        found.finished += 1
    elif described.status is not WorkflowExecutionStatus.RUNNING:
        found.stuck[video] = [f"its workflow is {described.status}"]
    elif row["status"] not in WAITING:
        found.stuck[video] = [f"{row['status']}, step {progress.step if progress else '?'}: {_table(progress)}"]
    else:
        if wrong := _false_reasons(video, progress, known):
            found.stuck[video] = wrong
        else:
            found.waiting[video] = str(row["message"]).partition("\n")[0]


def _table(progress: VideoProgress | None) -> str:
    clips = progress.clips if progress else []
    return ", ".join(
        f"{clip.number} {clip.status} {clip.note!r}" for clip in clips if clip.status is not ClipStatus.DONE
    )


def _false_reasons(video: str, progress: VideoProgress | None, known: Evidence) -> list[str]:
    """Why a waiting video's reasons are not true; nothing: each of its clips waits for a good one."""
    if progress is None:
        return []
    wrong = []
    for clip in progress.clips:
        if clip.status is ClipStatus.DONE:
            continue
        tasks = [task for task in known.tasks if clip_of(task) == (video, clip.number)]
        failed = tasks and all(task["state"] == "fail" or task["clip"] in BAD_PICTURES for task in tasks)
        orders = [o for o in known.orders.values() if (o["video_id"], o["number"]) == (video, clip.number)]
        unknown = any(str(order["id"]) in known.listed for order in orders)
        knowable = [task["task_id"] for task in tasks if task["task_id"] in known.heard and task["state"] == "success"]
        if not (failed or unknown) or knowable:
            wrong.append(f"clip {clip.number} is {clip.status} ({clip.note!r}); tasks {[t['state'] for t in tasks]}")
    return wrong or ([] if any(c.status is not ClipStatus.DONE for c in progress.clips) else ["all clips are done"])


async def _listed(here: Ground, known: Evidence, found: Findings) -> None:
    """What the command line says."""
    told = {video["video_id"]: video for video in await command(here, "video", "list")}
    slots = asyncio.Semaphore(DECODING_AT_ONCE)

    async def one(video: str, row: dict[str, Any]) -> None:
        async with slots:
            status = await command(here, "video", "status", f"{row['channel']}/{video}")
        said = {"list": told.get(video, {}).get("status"), "status": status["status"]}
        done = sum(known.clips.get((video, n + 1), {}).get("status") == "done" for n in range(row["clip_count"]))
        if {str(value) for value in said.values()} != {row["status"]} or status["done"] != done:
            found.untrue.append(
                f"{video}: PostgreSQL {row['status']}, {done} done; the command line {said}, {status['done']}"
            )

    await asyncio.gather(*(one(video, row) for video, row in known.videos.items()))


# ── files ────────────────────────────────────────────────────────────────


async def _files(here: Ground, known: Evidence, found: Findings) -> None:
    """Whatever is called done has a file, and the file can be decoded from its first frame to its last."""
    claimed = {f"clip {clip}": row["media_key"] for clip, row in known.clips.items() if row["status"] == "done"}
    claimed |= {f"video {v}": r["video_key"] for v, r in known.videos.items() if r["status"] == VideoStatus.VIDEO_READY}
    slots = asyncio.Semaphore(DECODING_AT_ONCE)

    async def one(name: str, key: str | None) -> None:
        async with slots:
            if wrong := await undecodable(here.folder / "objects" / key) if key else "it has no file":
                found.untrue.append(f"{name} is done: {wrong}")

    await asyncio.gather(*(one(name, key) for name, key in claimed.items()))


async def undecodable(path: Path) -> str:
    """What ffmpeg has to say against a file; nothing when every frame can be decoded."""
    argv = [binary(), "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    child = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
    _, words = await child.communicate()
    return words.decode(errors="replace").strip()[:300] or (
        f"ffmpeg ended with {child.returncode}" if child.returncode else ""
    )
