"""What each queue is served with: the one place that opens clients and builds activity classes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling

from activities._comfy_rules import RenderRules
from activities._comfy_servers import ComfyServers
from activities._comfy_slot import GpuSlot
from activities._delivery import Deliveries
from activities._order import PublicAddresses
from activities._recording import Recording
from activities._sentence_stores import SentenceStores
from activities._stills import PreparedStills
from activities.animatic import AnimaticActivities
from activities.balance import BalanceActivities
from activities.batches import BatchActivities
from activities.comfy import ComfyActivities, RenderStores
from activities.desk import DeskActivities
from activities.gatekeeping import GateActivities, Gates, Slots
from activities.hosting import HostingActivities, SignedStills, StillHost, UploadedStills
from activities.intake import IntakeActivities
from activities.keeping import KeepingActivities
from activities.kling import KlingActivities
from activities.kling_pace import KlingPace
from activities.late import LateActivities
from activities.lost_orders import LostOrders
from activities.media import MediaActivities
from activities.notices import NoticeActivities
from activities.order_recovery import OrderRecovery
from activities.projects import ProjectActivities
from activities.records import RecordActivities
from activities.sentences import SentenceActivities
from activities.takes import TakeActivities
from activities.tickets import TicketActivities
from activities.video_reconciler import VideoReconciler
from studio.contracts.gate import GateState
from studio.objects.store import ObjectStore
from studio.providers.catbox import open_catbox
from studio.providers.comfyui import open_comfyui
from studio.providers.files import LOOPBACK, open_files
from studio.providers.kie import KieClient, open_kie
from studio.providers.notion import NotionClient, open_notion
from studio.settings import Settings, plain
from studio.store.budgets import BudgetStore
from studio.store.costs import CostStore
from studio.store.deliveries import DeliveryStore
from studio.store.desk import DeskStore
from studio.store.drafts import DraftStore
from studio.store.events import EventStore
from studio.store.gpu_servers import GpuServerStore
from studio.store.models import ModelStore
from studio.store.paces import PaceStore
from studio.store.pool import Database
from studio.store.projects import ProjectStore
from studio.store.renders import RenderStore
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.store.unresolved import UnresolvedOrders
from studio.store.video_endings import VideoEndings
from studio.store.videos import VideoStore
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.connection import metric_meter
from workflows_temporal.desk import DeskWorkflow
from workflows_temporal.executions import Executions
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.image import ImageWorkflow
from workflows_temporal.late import LateClipWorkflow
from workflows_temporal.notice import NoticeWorkflow
from workflows_temporal.policies import KLING_LEASE
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.project_draft import ProjectDraftWorkflow
from workflows_temporal.project_review import ProjectReviewWorkflow
from workflows_temporal.sentence_clip import ClipWorkflow
from workflows_temporal.unknown import UnknownWorkflow
from workflows_temporal.video import VideoWorkflow

LOST_ORDERS_COUNTED_EVERY = timedelta(seconds=5)
"""One query on a small index."""
ORDERS_RECOVERED_EVERY = timedelta(seconds=5)
VIDEOS_RECONCILED_EVERY = timedelta(seconds=10)
BETWEEN_GPU_HEARTBEATS = timedelta(seconds=0.5)
"""A cancellation comes back with a heartbeat, and is to be with the GPU within two seconds."""


@dataclass
class Serving:
    """What one queue is served with."""

    activities: list[Callable[..., Any]]
    workflows: list[type] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None
    """What the process does meanwhile, until it stops."""


@dataclass
class Tools:
    """What every queue needs, opened."""

    settings: Settings
    temporal: Client
    database: Database
    objects: ObjectStore
    stack: AsyncExitStack

    @property
    def ledger(self) -> SubmissionLedger:
        """The ledger of orders."""
        return SubmissionLedger(self.database)

    @cached_property
    def stills(self) -> PreparedStills:
        """Stills as engines get them."""
        return PreparedStills(self.objects, work_dir=self.settings.work_dir)

    @property
    def takes(self) -> TakeStore:
        """What was made from what."""
        return TakeStore(self.database)


WORKFLOWS: tuple[type, ...] = (
    VideoWorkflow,
    GateWorkflow,
    DeskWorkflow,
    LateClipWorkflow,
    NoticeWorkflow,
    ImageWorkflow,
    ClipWorkflow,
    ProjectWorkflow,
    ProjectDraftWorkflow,
    ProjectReviewWorkflow,
    UnknownWorkflow,
)
"""Every workflow, on the queue `studio`."""


async def serve_studio(tools: Tools) -> Serving:
    """Workflows, records, short errands. It needs no key of anybody."""
    intake = IntakeActivities(tools.objects, tools.takes, tools.stills)
    records = RecordActivities(
        VideoStore(tools.database), tools.takes, CostStore(tools.database), BudgetStore(tools.database), tools.ledger
    )
    takes = TakeActivities(tools.objects, tools.takes, VideoStore(tools.database))
    keeping = await _keeping(tools)
    notices = await _notices(tools)
    tickets = TicketActivities(_gates(tools))
    return Serving(
        workflows=list(WORKFLOWS),
        activities=[
            intake.check_video,
            records.open_video,
            records.recall_video,
            records.set_video_status,
            records.end_video,
            takes.use_takes,
            takes.find_lost_takes,
            records.record_clip,
            records.record_late,
            records.book_costs,
            records.close_video,
            keeping.remove_unfinished,
            tickets.keep_in_line,
            notices.post_notice,
            *_sentences(tools),
        ],
        options={"workflow_task_poller_behavior": PollerBehaviorAutoscaling()},
        beside=lambda: _reconciler(tools).keep_reconciling(VIDEOS_RECONCILED_EVERY),
    )


def _reconciler(tools: Tools) -> VideoReconciler:
    return VideoReconciler(VideoEndings(tools.database), Executions(tools.temporal))


async def serve_kling(tools: Tools) -> Serving:
    """Requests that count against our key; the only queue whose workers have it."""
    settings = tools.settings
    settings.needs(kie_api_key="the queue kling orders clips with it")
    kie = await tools.stack.enter_async_context(
        open_kie(
            key=plain(settings.kie_api_key) or "",
            api_url=str(settings.kie_api_url),
            upload_url=str(settings.kie_upload_url),
        )
    )
    pace = _kling_pace(settings)
    stills = await _still_host(tools, kie)
    ask_again = timedelta(seconds=settings.gate_ask_again_seconds)
    hosting = HostingActivities(stills, _gates(tools), ask_again=ask_again)
    slots = Slots(tools.temporal)
    kling = KlingActivities(
        kie, tools.ledger, slots, pace=pace, addresses=PublicAddresses(stills, settings.callback_addresses())
    )
    desk = DeskActivities(kie, DeskStore(tools.database))
    late = LateActivities(kie, tools.ledger, tools.takes, slots, pace=pace)
    longest = pace.longest_clip / pace.speed
    sweeps = GateActivities(tools.temporal, tools.ledger, kie, longest_clip=longest, task_queue=TaskQueue.STUDIO)
    return Serving(
        activities=[
            hosting.host_image,
            kling.check_account,
            kling.submit_clip,
            kling.await_clip,
            kling.renew_link,
            late.await_late,
            desk.decide_order,
            desk.resubmit_lost,
            sweeps.find_gone_holders,
            sweeps.find_orders_in_flight,
            BalanceActivities(kie, slots).await_top_up,
        ],
        options={"max_task_queue_activities_per_second": settings.kling_calls_per_second or None},
        beside=lambda: _look_after_orders(tools, pace),
    )


async def _look_after_orders(tools: Tools, pace: KlingPace) -> None:
    """Beside the activities: count the orders without a clip, and take up those without a video."""
    orders = UnresolvedOrders(tools.database)
    after = pace.unwatched + pace.undelivered
    lost = LostOrders(DeskStore(tools.database), orders, metric_meter(tools.temporal), orphaned_after=after)
    recovery = OrderRecovery(orders, tools.temporal, pace=pace, task_queue=TaskQueue.STUDIO)
    await asyncio.gather(
        lost.keep_counting(LOST_ORDERS_COUNTED_EVERY), recovery.keep_recovering(ORDERS_RECOVERED_EVERY)
    )


def _gates(tools: Tools) -> Gates:
    return Gates(tools.temporal, new=new_gate(tools.settings), task_queue=TaskQueue.STUDIO)


def _kling_pace(settings: Settings) -> KlingPace:
    return KlingPace(
        look_min=timedelta(seconds=settings.kling_look_min_seconds),
        look_max=timedelta(seconds=settings.kling_look_max_seconds),
        speed=settings.kie_speed,
    )


async def serve_media(tools: Tools) -> Serving:
    """This machine's cores."""
    work_dir = tools.settings.work_dir
    media = MediaActivities(tools.objects, work_dir=work_dir)
    animatic = AnimaticActivities(tools.objects, work_dir=work_dir)
    keeping = await _keeping(tools)
    videos = [media.join_clips, media.make_contact_sheet]
    return Serving(
        [keeping.keep_clip, animatic.draw_clip, *videos],
        options={"max_concurrent_activities": tools.settings.media_slots},
    )


async def serve_notices(tools: Tools) -> Serving:
    """Requests that count against our integration at Notion, over all workers."""
    notices = await _notices(tools)
    # The queue lets a burst pass after a quiet time; `PaceStore` is exact. This keeps the waits there short.
    limit = {"max_task_queue_activities_per_second": tools.settings.notion_calls_per_second}
    return Serving([notices.set_notion_status], options=limit)


async def serve_gpu(tools: Tools) -> Serving:
    """The GPU of one ComfyUI server: one render at a time."""
    settings = tools.settings
    url = str(settings.comfyui_url).rstrip("/")
    own = await tools.stack.enter_async_context(open_comfyui(url=url))
    rules = RenderRules(
        work_dir=settings.work_dir,
        longest_wait=timedelta(minutes=settings.comfyui_longest_wait_minutes),
        longest_silence=timedelta(minutes=settings.comfyui_longest_silence_minutes),
        first_rest=timedelta(seconds=settings.comfyui_rest_seconds),
        previews=settings.comfyui_previews,
        prompts_in_files=settings.comfyui_prompts_in_files,
    )
    slot = GpuSlot(own)
    servers = ComfyServers(
        own, slot, GpuServerStore(tools.database), lambda address: open_comfyui(url=address), url=url
    )
    stores = RenderStores(tools.objects, EventStore(tools.database), tools.takes, RenderStore(tools.database))
    comfy = ComfyActivities(servers, stores, rules)
    return Serving(
        [comfy.render_graph, comfy.render_clip],
        options={"tuner": slot.tuner(), "max_heartbeat_throttle_interval": BETWEEN_GPU_HEARTBEATS},
        beside=servers.keep_telling,
    )


SERVINGS: dict[TaskQueue, Callable[[Tools], Awaitable[Serving]]] = {
    TaskQueue.STUDIO: serve_studio,
    TaskQueue.KLING: serve_kling,
    TaskQueue.MEDIA: serve_media,
    TaskQueue.GPU: serve_gpu,
    TaskQueue.NOTICES: serve_notices,
}


def new_gate(settings: Settings) -> GateState:
    """How a gate begins. One that runs keeps what it was told since."""
    return GateState(
        limit=settings.kling_slots,
        pace=settings.kling_orders_per_window,
        pace_seconds=10 / settings.kie_speed,
        lease_seconds=KLING_LEASE.total_seconds(),
    )


def _sentences(tools: Tools) -> list[Callable[..., Any]]:
    database, objects, work_dir = tools.database, tools.objects, tools.settings.work_dir
    stores = SentenceStores(ProjectStore(database), ModelStore(database), RenderStore(database), EventStore(database))
    sentences = SentenceActivities(stores, objects, work_dir=work_dir)
    projects = ProjectActivities(DraftStore(database), stores, objects, work_dir=work_dir)
    chosen = BatchActivities(stores, objects, work_dir=work_dir).choose_sentences
    written = [projects.write_project, projects.compare_project]
    return [chosen, sentences.plan_sentence, sentences.use_render, *written]


async def _notices(tools: Tools) -> NoticeActivities:
    notion, per_second = await _notion(tools), tools.settings.notion_calls_per_second
    return NoticeActivities(tools.temporal, notion, PaceStore(tools.database), per_second=per_second)


async def _notion(tools: Tools) -> NotionClient | None:
    """Notion, when there is a token."""
    settings = tools.settings
    if settings.notion_token is None:
        return None
    return await tools.stack.enter_async_context(
        open_notion(
            token=plain(settings.notion_token) or "",
            url=str(settings.notion_api_url),
            property_name=settings.notion_property,
            kind=settings.notion_property_kind,
        )
    )


async def _keeping(tools: Tools) -> KeepingActivities:
    rehearsal = LOOPBACK if tools.settings.downloads_from_this_machine() else ()
    files = await tools.stack.enter_async_context(open_files(rehearsal=rehearsal))
    return KeepingActivities(
        tools.objects,
        files,
        Recording(VideoStore(tools.database), tools.takes, tools.ledger),
        Deliveries(DeliveryStore(tools.database), Slots(tools.temporal)),
        work_dir=tools.settings.work_dir,
    )


async def _still_host(tools: Tools, kie: KieClient) -> StillHost:
    settings = tools.settings
    match settings.still_host:
        case "s3":
            return SignedStills(tools.stills, tools.objects)
        case "catbox":
            catbox = open_catbox(url=str(settings.catbox_url), userhash=plain(settings.catbox_userhash) or "")
            return UploadedStills(tools.stills, await tools.stack.enter_async_context(catbox))
    return UploadedStills(tools.stills, kie)
