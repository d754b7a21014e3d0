"""Unresolved orders: what can be found out about them, and doing as was decided."""

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._order import unproven
from activities._settling import balance_of
from studio.contracts.desk import CALLBACK, POLICY, Decision, DecisionKind, LostClip, OrderFound
from studio.errors import InvalidRequest, TaskLost
from studio.providers.kie import KieClient
from studio.store.desk import DeskStore

_log = structlog.get_logger()


class DeskActivities:
    """Asks the provider and keeps the books. On the queue of those who have the key."""

    def __init__(self, kie: KieClient, desk: DeskStore) -> None:
        self._kie = kie
        self._desk = desk

    @activity.defn
    async def decide_order(self, decision: Decision) -> OrderFound:
        """Do as was decided. A task is adopted only when the provider knows it and does not say it is another's."""
        async with beating():
            return await self._decide(decision)

    @activity.defn
    async def resubmit_lost(self, lost: LostClip) -> OrderFound:
        """Write the lost order of a clip's take off so that it is sent again, if its video has not done that too often.

        When it is lost no more, it was decided meanwhile, perhaps by an earlier attempt of this.
        """
        async with beating():
            return await self._resubmit(lost)

    async def _decide(self, decision: Decision) -> OrderFound:
        proven = False
        if decision.kind is DecisionKind.ADOPT:
            words, proven = await self._whose_task(decision)
        elif decision.kind is DecisionKind.CHECK:
            words = await self._looked_up(decision)
        else:
            words = "counted as paid"
        credits = await balance_of(self._kie)
        found = await self._desk.decide(decision, words=words, credits=credits, proven=proven)
        if decision.who == CALLBACK and found.state == "settled" and not proven:
            raise InvalidRequest(f"{words}, which is known: the order has failed")
        _log.info("order.decided", submission_id=found.submission_id, kind=decision.kind, who=decision.who, said=words)
        return found

    async def _resubmit(self, lost: LostClip) -> OrderFound:
        order = await self._desk.of_take(lost.clip.channel, lost.take)
        if order is None:
            return await self._desk.newest_of_take(lost.clip.channel, lost.take, words="lost no more")
        so_far = await self._desk.decided(lost.clip, DecisionKind.RESUBMIT, who=POLICY)
        if so_far >= lost.most:
            raise InvalidRequest(f"{so_far} lost orders of this video were sent again already")
        why = f"on_unknown: resubmit, {so_far + 1} of {lost.most}"
        decision = Decision(submission_id=order.submission_id, kind=DecisionKind.RESUBMIT, who=POLICY, why=why)
        return await self._decide(decision)

    async def _whose_task(self, decision: Decision) -> tuple[str, bool]:
        """What is known of the task, in words; and whether it lives, which opens closed books again."""
        try:
            task = await self._kie.record_info(decision.task_id or "")
        except TaskLost:
            why = f"KIE.ai does not know a task {decision.task_id}"
            raise (unproven(why) if decision.who == CALLBACK else InvalidRequest(why)) from None
        if task.reference is None and decision.who != CALLBACK:
            return (
                f"task {decision.task_id} is {task.state}; it carries no id of ours, so this is taken on trust",
                False,
            )
        if task.reference != decision.submission_id:
            why = f"task {decision.task_id} was ordered under another id ({task.reference or 'none'})"
            raise unproven(why) if task.reference is None else InvalidRequest(why)
        return f"task {decision.task_id} is {task.state} and carries our id", task.state != "fail"

    async def _looked_up(self, decision: Decision) -> str:
        if await self._kie.find_by_reference(decision.submission_id) is None:
            return "KIE.ai cannot look up orders by our id; compare the balances and kie.ai/logs"
        return "the provider knows this order"
