"""Saying beforehand what a video would do and cost. Nothing is ordered, stored or written down."""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from studio.contracts.clip import ClipRequest
from studio.contracts.plan import BudgetPlan, ClipPlan, ClipPlanned, VideoPlan
from studio.contracts.take import Take
from studio.contracts.video import Provider, VideoRequest
from studio.objects.store import ObjectStore
from studio.providers.kie_models import kling_model
from studio.store.budgets import BudgetStore
from studio.store.orders import Submission
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.takes import takes_of

_LOOKS_AT_ONCE = 8
_SHOWN = re.compile(r"\b(?:black for|frozen from) .*")
"""What verification writes down of a clip whose file is whole and whose picture is of no use: it follows from the
still and the prompt, while a clip that failed at the provider may succeed the next time."""


class Planner:
    """Looks at takes, orders and budgets as they are now."""

    def __init__(self, takes: TakeStore, ledger: SubmissionLedger, budgets: BudgetStore, objects: ObjectStore) -> None:
        self._takes = takes
        self._ledger = ledger
        self._budgets = budgets
        self._objects = objects

    async def plan(self, video: VideoRequest, *, at_once: int, clip_seconds: float) -> VideoPlan:
        """What starting this video would do.

        Args:
            at_once: how many clips are made at a time; 0: none, or nobody knows.
            clip_seconds: how long one takes, typically.
        """
        takes = [take for take, _ in takes_of(video)]
        there = await self._there(video.channel, takes)
        orders = await self._ledger.newest(video.channel, takes)
        clips = _clip_plans(video, takes, there, orders)
        cost = sum((clip.cost_usd for clip in clips), Decimal(0))
        counts = {kind: sum(clip.planned is kind for clip in clips) for kind in ClipPlanned}
        to_come = counts[ClipPlanned.NEW] + counts[ClipPlanned.ORDERED]
        return VideoPlan(
            channel=video.channel,
            video_id=video.video_id,
            clips=clips,
            counts=counts,
            cost_usd=cost,
            seconds=_seconds(to_come, at_once, clip_seconds),
            budgets=await self._limits(video, cost),
        )

    async def _there(self, channel: str, takes: Sequence[str]) -> dict[str, Take]:
        """Those takes whose files are there, too."""
        finished = await self._takes.finished(channel, set(takes))
        turns = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def is_there(take: Take) -> bool:
            async with turns:
                return await self._objects.size(take.file.media.key) == take.file.media.size

        looks = await asyncio.gather(*map(is_there, finished.values()))
        return {name: finished[name] for name, good in zip(finished, looks, strict=True) if good}

    async def _limits(self, video: VideoRequest, cost: Decimal) -> list[BudgetPlan]:
        limits = await self._budgets.of_video(video.channel, video.video_id, own=video.budget_usd)
        return [
            BudgetPlan(
                scope=limit.scope,
                limit_usd=limit.limit_usd,
                spent_usd=limit.spent_usd,
                passed=cost > 0 and limit.spent_usd + cost > limit.limit_usd,
            )
            for limit in limits
        ]


async def repeated(video: VideoRequest, takes: TakeStore, ledger: SubmissionLedger) -> dict[int, str]:
    """Clips that would be bought again although the last clip of the same inputs was thrown away for what it showed:
    number → what was wrong with it."""
    wanted = [(clip.number, take) for clip, (take, _) in zip(video.clips, takes_of(video), strict=True)]
    digests = [take for _, take in wanted]
    there = await takes.finished(video.channel, set(digests))
    orders = await ledger.newest(video.channel, digests)
    return {
        number: fault
        for number, take in wanted
        if take not in there and (order := orders.get(take)) and (fault := _fault_shown(order))
    }


def _fault_shown(order: Submission | None) -> str:
    """Why its clip was thrown away, if that was for what it showed."""
    if order is None or order.state != "settled" or order.verdict != "bad":
        return ""
    found = _SHOWN.search(order.reason)
    return found.group() if found else ""


def _clip_plans(
    video: VideoRequest, takes: Sequence[str], there: Mapping[str, Take], orders: Mapping[str, Submission]
) -> list[ClipPlan]:
    plans: list[ClipPlan] = []
    first: dict[str, int] = {}
    for clip, take in zip(video.clips, takes, strict=True):
        planned, note = _planned(clip, take, there, orders.get(take))
        if planned not in (ClipPlanned.REUSED, ClipPlanned.MISSING) and take in first:
            planned, note = ClipPlanned.SHARED, f"the same as clip {first[take]}"
        first.setdefault(take, clip.number)
        new = planned is ClipPlanned.NEW
        repeats = new and _fault_shown(orders.get(take)) != ""
        price = _price(video, clip) if new else Decimal(0)
        plans.append(
            ClipPlan(number=clip.number, planned=planned, take=take, cost_usd=price, note=note, repeats=repeats)
        )
    return plans


def _planned(
    clip: ClipRequest, take: str, there: Mapping[str, Take], order: Submission | None
) -> tuple[ClipPlanned, str]:
    if take in there:
        return ClipPlanned.REUSED, "chosen" if clip.take else ""
    if clip.take:
        return ClipPlanned.MISSING, "the chosen take is not there"
    if order is None or order.state in ("intended", "refused"):
        return ClipPlanned.NEW, ""
    if order.state == "settled" and order.verdict != "delivered":
        return ClipPlanned.NEW, f"tried before: {order.reason or order.verdict}"
    return ClipPlanned.ORDERED, "delivered" if order.state == "settled" else order.state


def _price(video: VideoRequest, clip: ClipRequest) -> Decimal:
    return kling_model(video.model).price_usd(clip.seconds) if video.provider is Provider.KLING else Decimal(0)


def _seconds(clips: int, at_once: int, clip_seconds: float) -> float | None:
    if clips == 0:
        return 0.0
    return None if at_once == 0 else math.ceil(clips / at_once) * clip_seconds
