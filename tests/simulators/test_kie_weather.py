"""Variants of KIE.ai's answers: by name, by chance, and never a change of what was accepted and billed."""

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.kie import KieConfig, KieSimulator
from simulators.kie.file_variants import PRIVATE
from simulators.kie.weather import FAILURES, VARIANTS
from simulators.variants import Variant
from studio.media.probe import probe
from tests.simulators.callers import KieCaller, Receiver, order, until

QUICK = {"stall_seconds": 0.05, "drip_seconds": 0.05}
FAST = {"duration": (0, 0), "rate_limit": 0, "poll_limit": 0}
UNSEEN = ("compressed", "drip", "stall")
"""A client that knows HTTP gets the whole answer all the same."""
BROKEN = (httpx.HTTPError, ValueError)


@pytest.fixture
async def fast(start_kie: Any) -> KieSimulator:
    simulator: KieSimulator = await start_kie(**FAST, weather=QUICK)
    return simulator


@pytest.fixture
async def client(fast: KieSimulator) -> Any:
    async with KieCaller(fast) as caller:
        yield caller


async def heard(caller: KieCaller, method: str, url: str, **request: Any) -> str:
    """What a careful client gets to know of an answer, as text; never an exception of its own."""
    try:
        answer = await caller.http.request(method, url, **request)
    except BROKEN as error:
        return type(error).__name__
    return f"{answer.status_code} {answer.headers.get('content-type')} {answer.content[:2_000]!r}"


async def test_every_variant_of_an_order_is_seen_and_leaves_the_ledger_true(
    fast: KieSimulator, client: KieCaller
) -> None:
    seen, usual = {}, await heard(client, "POST", "/api/v1/jobs/createTask", json=order("usual"))
    for variant in VARIANTS["createTask"]:
        before = fast.ledger.accepted
        fast.script("createTask", [{"variant": variant.name}])
        seen[variant.name] = await heard(client, "POST", "/api/v1/jobs/createTask", json=order(variant.name))
        assert fast.ledger.accepted - before == variant.acts, variant.name
    assert usual not in seen.values()
    assert fast.ledger.variants["createTask"] == {variant.name: 1 for variant in VARIANTS["createTask"]}
    assert await client.credit() == 10_000 - 42 * fast.ledger.accepted
    assert fast.state()["problems"] == []


async def test_every_variant_of_a_look_waits_for_an_answer_it_fits_and_changes_no_task(
    fast: KieSimulator, client: KieCaller
) -> None:
    fast.order(match="slow", duration=3_000)
    fast.order(match="bad", fail="internal error")
    tasks = {state: await client.task(order(state)) for state in ("slow", "bad", "good")}
    for task in ("bad", "good"):
        await client.ended(tasks[task])
    usual = {state: await heard(client, "GET", f"/api/v1/jobs/recordInfo?taskId={tasks[state]}") for state in tasks}
    for variant in VARIANTS["recordInfo"]:
        met = []
        for state, task in tasks.items():
            fast.script("recordInfo", [{"variant": variant.name}], match=task)
            before = fast.counters()["variants"]
            told = await heard(client, "GET", f"/api/v1/jobs/recordInfo?taskId={task}")
            if fast.counters()["variants"] > before:
                met.append(state)
            fits, hidden = state in fitting(variant), variant.name in UNSEEN
            assert (told != usual[state]) == (fits and not hidden), (variant.name, state, told)
            fast.reset("faults")
        assert met == fitting(variant), variant.name
    balance = 10_000 - sum(task.billed - task.refunded for task in fast.ledger.tasks)
    assert (fast.ledger.accepted, await client.credit()) == (3, balance)
    assert fast.state()["problems"] == []


def fitting(variant: Variant) -> list[str]:
    """In which of three states a task's look can have this variant, by its name."""
    kind, _, _rest = variant.name.partition("_")
    if kind == "running" or variant.name == "state_is_object":
        return ["slow"]
    if kind in ("failed", "fail"):
        return ["bad"]
    if kind in ("done", "result", "credits") or variant.name in (
        "status_key_completed",
        "end_before_beginning",
        "cost_time_object",
    ):
        return ["good"]
    return ["slow", "bad", "good"]


async def test_a_variant_waits_for_a_look_that_it_fits(fast: KieSimulator, client: KieCaller) -> None:
    fast.order(match="slow", duration=100)
    task = await client.task(order("slow"))
    fast.script("recordInfo", [{"variant": "done_upper_case"}])
    assert (await client.look(task))["state"] == "waiting"
    fast.advance(101)
    assert [(await client.look(task))["state"] for _ in range(2)] == ["SUCCESS", "success"]
    assert fast.ledger.variants == {"recordInfo": {"done_upper_case": 1}}


async def test_every_variant_of_a_download_breaks_it_once(fast: KieSimulator, client: KieCaller) -> None:
    url = await client.url(await client.task())
    whole = (await client.http.get(url)).content
    for variant in VARIANTS["files"]:
        fast.script("files", [{"variant": variant.name}])
        try:
            answer = await client.http.get(url)
        except httpx.HTTPError:
            continue
        seen = (answer.status_code, answer.content, answer.headers.get("location"))
        match variant.name:
            case "redirect_to_private":
                assert seen == (302, b"", PRIVATE)
            case "compressed" | "drip" | "stall":
                assert seen[:2] == (200, whole)  # late or packed, but whole
            case "compressed_in_silence":
                assert gzip.decompress(answer.content) == whole
            case "damaged_in_the_middle":
                assert len(answer.content) == len(whole) and answer.content != whole
            case _:
                assert answer.content != whole, variant.name
    assert (await client.http.get(url)).content == whole
    assert fast.ledger.variants["files"] == {variant.name: 1 for variant in VARIANTS["files"]}
    assert fast.state()["problems"] == []


async def test_balances_and_links_have_variants_that_move_no_money(fast: KieSimulator, client: KieCaller) -> None:
    url = await client.url(await client.task())
    for route, method, path, body in [
        ("credit", "GET", "/api/v1/chat/credit", None),
        ("downloadUrl", "POST", "/api/v1/common/download-url", {"url": url}),
    ]:
        usual = await heard(client, method, path, json=body)  # a link is another one every time
        for variant in VARIANTS[route]:
            fast.script(route, [{"variant": variant.name}])
            told = await heard(client, method, path, json=body)
            seen = told != usual
            assert seen == (variant.name not in UNSEEN or route == "downloadUrl"), (route, variant.name)
        assert len(fast.ledger.variants[route]) == len(VARIANTS[route])
    assert await client.credit() == 10_000 - 42
    assert fast.state()["problems"] == []


async def test_chance_deals_every_variant_once_before_any_twice_and_alike_with_a_seed(start_kie: Any) -> None:
    seen = []
    for seed in (1, 1, 2):
        kie = await start_kie(**FAST, seed=seed, weather=QUICK | {"first": {"orders": 1}})
        async with KieCaller(kie) as caller:
            for number in range(80):
                await heard(caller, "POST", "/api/v1/jobs/createTask", json=order(f"p{number}"))
        dealt = kie.ledger.variants["createTask"]
        assert set(dealt) == {variant.name for variant in VARIANTS["createTask"] if variant.dealt}
        seen.append([(task.prompt, task.state) for task in kie.ledger.tasks])
    assert seen[0] == seen[1] != seen[2]


async def test_no_weather_varies_nothing_and_some_can_be_left_out(start_kie: Any) -> None:
    for weather in ({}, {"first": {"looks": 1}}, {"orders": 1, "without": [v.name for v in VARIANTS["createTask"]]}):
        kie = await start_kie(**FAST, weather=weather)
        async with KieCaller(kie) as caller:
            await caller.task()
        assert kie.ledger.variants == {}, weather


async def test_bills_have_float_noise_and_the_account_has_not(start_kie: Any) -> None:
    kie = await start_kie(**FAST, weather={"credits_noise": True})
    async with KieCaller(kie) as caller:
        told = (await caller.ended(await caller.task()))["creditsConsumed"]
        assert told != 42 and abs(told - 42) < 1e-9
        assert await caller.credit() == 10_000 - 42
    assert kie.ledger.variants == {"recordInfo": {"float_noise": 1}}


async def test_tasks_come_out_in_other_formats_and_fail_in_all_words(start_kie: Any, tmp_path: Path) -> None:
    kie = await start_kie(**FAST, weather={"first": {"other_formats": 1}})
    found = set()
    async with KieCaller(kie) as caller:
        for number in range(3):
            path = tmp_path / f"{number}.mp4"
            path.write_bytes((await caller.http.get(await caller.url(await caller.task()))).content)
            found.add((probe(path).codec, probe(path).width))
        assert found == {("hevc", 64), ("mjpeg", 64), ("h264", 32)}
        kie.configure(weather={"first": {"other_formats": 0, "failures": 1}})
        failed = [await caller.ended(await caller.task()) for _ in FAILURES]
    assert len({(task["failCode"], task["failMsg"]) for task in failed}) == len(FAILURES)
    assert kie.counters()["failed"] == len(FAILURES)
    assert kie.ledger.billed == 3 + 1


async def test_callbacks_vary_and_always_name_their_task(start_kie: Any, receiver: Receiver) -> None:
    variants = VARIANTS["callbacks"]
    kie = await start_kie(**FAST, weather={"first": {"callbacks": 1}})
    async with KieCaller(kie) as caller:
        tasks = [await caller.task(order(callback=receiver.url)) for _ in variants]
        await until(lambda: len(kie.ledger.callbacks) == len(variants))
    assert kie.ledger.variants["callbacks"] == {variant.name: 1 for variant in variants}
    told = receiver.texts
    assert all(any(task in body for body in told) for task in tasks)


async def test_what_varied_is_known_after_a_kill(clips: Path, tmp_path: Path) -> None:
    config: dict[str, Any] = {"clips": "placeholder", "default_size": (64, 36), "cache": clips, "data": tmp_path}
    async with KieSimulator(KieConfig(**config, **FAST, persist=True)) as kie, KieCaller(kie) as caller:
        kie.script("createTask", [{"variant": "code_text"}])
        await caller.create()
    async with KieSimulator(KieConfig(**config, **FAST, persist=True)) as again:
        assert again.ledger.variants == {"createTask": {"code_text": 1}}
        assert json.loads(json.dumps(again.ledger_json(["variants"]))) == {"variants": again.ledger.variants}


async def test_a_variant_that_a_route_has_not_is_a_broken_test_and_said(fast: KieSimulator, client: KieCaller) -> None:
    with pytest.raises(ValueError, match="no such variant of createTask: 'sideways'"):
        fast.script("createTask", [{"variant": "sideways"}])
