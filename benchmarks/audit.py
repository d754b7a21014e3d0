"""The provider's books against ours: what was billed, what for, and what came home."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from benchmarks.ground import Ground, order_id
from studio.contracts.video import VideoResult
from studio.store.unresolved import UnresolvedOrders

Made = dict[tuple[str, int], tuple[str, str]]
"""Video and clip → what it was made from (the order's take), what came of it (the file's digest)."""


@dataclass(frozen=True)
class Audit:
    """What an auditor finds about the videos of one channel."""

    billed: int
    doubled: int
    """Tasks billed beyond one per clip that nobody at the desk has decided to pay for."""
    lost: int
    """Tasks billed whose clip is in no video."""
    in_desk: int
    """Orders that were lost and about which was decided, by a callback or a person."""
    by: dict[str, int]
    """Of them: who decided."""
    still_open: int
    """Orders that are not closed."""
    orphaned: int
    """Paid orders in no video, no take, and not among the unresolved ones: the ledger's invariant."""


async def audit(here: Ground, channel: str, results: Iterable[VideoResult]) -> Audit:
    """Look into everything once the provider is done."""
    billed = [task for task in await here.tasks(channel) if task["billed"] > task["refunded"]]
    home = {clip.task_id for result in results for clip in result.clips}
    decisions = await here.rows(
        """select distinct d.submission_id, d.kind, d.who from decisions d join submissions s on s.id = d.submission_id
            where s.channel = $1 and d.kind <> 'check'""",
        channel,
    )
    paid_twice = {row["submission_id"] for row in decisions if row["kind"] in ("write_off", "resubmit")}
    (still_open,) = await here.rows(
        "select count(*) from submissions where channel = $1 and state not in ('settled', 'refused')", channel
    )
    orphaned = await UnresolvedOrders(here.database).orphaned(unwatched=timedelta(0))
    by_order = Counter(order_id(task) for task in billed)
    by_clip = Counter(_clip_of(task["call_back_url"]) for task in billed if order_id(task) not in paid_twice)
    same_order = sum(count - 1 for count in by_order.values())
    same_clip = sum(count - 1 for count in by_clip.values())
    return Audit(
        billed=len(billed),
        doubled=max(same_order, same_clip),
        lost=sum(task["task_id"] not in home and order_id(task) not in paid_twice for task in billed),
        in_desk=len({row["submission_id"] for row in decisions}),
        by=dict(Counter(row["who"] for row in decisions)),
        still_open=int(still_open["count"]),
        orphaned=len([order for order in orphaned if order.channel == channel]),
    )


def made_of(results: Iterable[VideoResult]) -> Made:
    """What every clip was made from, and what came of it."""
    return {
        (result.video_id, clip.number): (clip.take or "", clip.file.media.sha256)
        for result in results
        for clip in result.clips
        if clip.file is not None
    }


def _clip_of(address: str) -> tuple[str, str]:
    asked = parse_qs(urlsplit(address).query)
    return asked["video"][0], asked["clip"][0]
