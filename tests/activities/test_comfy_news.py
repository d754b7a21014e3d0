"""What people see of a render: no guess before it samples, and what stands still is shown as that."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio.testing import ActivityEnvironment

from activities._comfy_news import RenderNews
from activities._comfy_render import _what_helps
from comfy_workflows.graph import load_graph
from comfy_workflows.weights import samplers_of, weights_of
from commands.gpu import GpuRender, GpuStanding
from studio.contracts.base import MediaRef
from studio.contracts.progress import Stage
from studio.contracts.rendering import RenderState
from studio.errors import BadClip, BadStill
from studio.media.probe import faulty
from studio.store.events import EventStore
from studio.store.pool import Database
from tests.activities.test_comfy import ORDER


async def told(database: Database, tell: Callable[[RenderNews], Awaitable[None]]) -> None:
    async def run() -> None:
        await tell(RenderNews(ORDER, EventStore(database)))

    await ActivityEnvironment().run(run)


async def test_no_seconds_are_left_before_a_sampler_has_ticked(database: Database) -> None:
    async def tell(news: RenderNews) -> None:
        news.tell(stage="rendering", node="loading", fraction=0.3)
        await asyncio.sleep(0)
        assert (news.current().stage, news.current().fraction, news.current().eta_seconds) == (
            Stage.RENDERING,
            0.3,
            None,
        )
        news.tell(fraction=0.31)
        news.stepped()
        assert news.current().eta_seconds is None
        news.tell(fraction=0.5)
        left = news.current().eta_seconds
        assert left is not None and left >= 0
        news.tell(stage="waiting", ahead=2)
        assert news.current().eta_seconds is None

    await told(database, tell)


async def test_what_waits_is_lost_or_hangs_is_shown_as_that_and_with_no_share(database: Database) -> None:
    async def tell(news: RenderNews) -> None:
        news.tell(stage="rendering", node="low noise pass", fraction=0.93)
        news.stepped()
        for changes, stage, note in (
            ({"stage": "stalled", "trouble": "ComfyUI answered 502"}, Stage.STALLED, "ComfyUI answered 502"),
            ({"stage": "stalled", "trouble": "the server has lost it"}, Stage.STALLED, "the server has lost it"),
            ({"stage": "waiting", "ahead": 2}, Stage.WAITING, "2 before it in the server's queue"),
            ({"stage": "waiting", "ahead": 0}, Stage.WAITING, "0 before it in the server's queue"),
            ({"stage": "preparing", "ahead": None}, Stage.PREPARING, ""),
        ):
            news.tell(**changes)
            seen = news.current()
            assert (seen.stage, seen.fraction, seen.eta_seconds, seen.note) == (stage, 0, None, note)
        news.tell(stage="rendering", node="high noise pass", fraction=0.1)
        assert (news.state.trouble, news.current().fraction) == ("", 0.1)
        news.tell(stage="cancelling")
        assert news.current().note == "being called off at high noise pass"

    await told(database, tell)


async def test_that_it_stalls_is_no_movement(database: Database) -> None:
    async def tell(news: RenderNews) -> None:
        news.tell(stage="rendering", node="VAE Decode", fraction=0.5)
        await asyncio.sleep(0.02)
        before = news.still_for()
        news.tell(stage="stalled", trouble="no progress for 3 minutes")
        news.tell(stage="stalled", trouble="no progress for 4 minutes")
        assert news.still_for() >= before
        assert news.still_for().total_seconds() > 0

    await told(database, tell)


def test_only_nodes_that_sample_count_as_samplers() -> None:
    graphs = {name: load_graph(name).graph for name in ("wan22_i2v", "hunyuan15_i2v", "z_image_turbo")}
    assert samplers_of(graphs["wan22_i2v"]) == {"85", "86"}
    for name, graph in graphs.items():
        samplers = samplers_of(graph)
        assert samplers, name
        weights = weights_of(graph)
        assert min(weights[node] for node in samplers) > max(weights[node] for node in weights.keys() - samplers)


def test_the_line_of_a_render_says_what_it_waits_for() -> None:
    on = {"server": "http://gpu-1:8188", "fraction": 0.93, "node": "low noise pass"}
    for state, words in (
        ({"stage": "rendering"}, "clip 07: rendering  93%  on http://gpu-1:8188  low noise pass"),
        (
            {"stage": "stalled", "trouble": "the server has lost it"},
            "clip 07: stalled  on http://gpu-1:8188  the server has lost it",
        ),
        ({"stage": "waiting", "ahead": 1}, "clip 07: waiting  on http://gpu-1:8188  1 before it in the server's queue"),
        ({"stage": "waiting", "ahead": 0}, "clip 07: waiting  on http://gpu-1:8188  0 before it in the server's queue"),
    ):
        assert GpuRender("clip 07", RenderState.model_validate(on | state)).words == words


def test_calling_off_says_which_renders_it_interrupts() -> None:
    renders = [
        GpuRender("clip 01", RenderState(stage="rendering")),
        GpuRender("clip 02", RenderState(stage="waiting")),
        GpuRender("clip 03", RenderState(stage="stalled")),
        GpuRender("clip 04", None),
    ]
    assert GpuStanding(renders).interrupted == "Interrupted on its GPU: clip 01, clip 03"
    assert GpuStanding(renders[1:2]).interrupted == ""


def test_a_further_take_is_advised_only_where_it_can_be_another_one() -> None:
    own = ORDER.model_copy(
        update={"own": MediaRef(key="graphs/a.json", sha256="0" * 64, size=1, mime="application/json")}
    )
    for fault in ("length 10", "length", "size", "size 64x64", "codec hevc", "hdr", "turned"):
        assert (
            _what_helps(faulty(BadClip("bad"), fault), ORDER)
            == "A further take would be the same in this: correct the graph"
        )
        assert "`comfy add` it again" in _what_helps(faulty(BadClip("bad"), fault), own)
    for bad in (faulty(BadClip("bad"), "black"), faulty(BadClip("bad"), "frozen"), BadStill("bad")):
        assert _what_helps(bad, own) == "The same would come out again: order a further take"
