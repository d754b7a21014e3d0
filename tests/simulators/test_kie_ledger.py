"""The ledger: figures, entries, and what is left of them after a kill."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.clock import Clock
from simulators.journal import Journal
from simulators.kie import KieConfig, KieSimulator
from tests.simulators.callers import ELSEWHERE, KieCaller, Receiver, order, png, until


async def test_the_counters_add_up(start_kie: Any, http: httpx.AsyncClient, receiver: Receiver) -> None:
    kie = await start_kie(duration=(100, 100))
    kie.order(match="clip 4", fail="internal")
    kie.script("createTask", [{"http": 503}])
    async with KieCaller(kie) as caller:
        await caller.create()
        tasks = [await caller.task(order(f"clip {number}", callback=receiver.url)) for number in range(5)]
        assert kie.ledger.in_flight == 5
        kie.advance(50)
        tasks.append(await caller.task(order("clip 5")))
        kie.advance(60)
        for task in tasks[:5]:
            await caller.ended(task)
        assert (kie.ledger.in_flight, kie.ledger.max_in_flight) == (1, 6)
        await http.get(await caller.url(tasks[0]))
        await http.get(await caller.url(tasks[0]))
    await until(lambda: len(receiver.bodies) == 5)
    told = (await http.get(f"{kie.admin_url}/__sim/ledger")).json()
    polls = told["counters"].pop("polls")
    assert polls >= 7
    assert 1 <= told["counters"].pop("polls_per_second_max") <= polls
    assert told["counters"] == {
        "accepted": 6,
        "billed": 5,
        "in_flight": 1,
        "max_in_flight": 6,
        "succeeded": 4,
        "failed": 1,
        "uploads": 0,
        "downloads": 2,
        "callbacks": 5,
        "variants": 0,
        "refused": len(told["refused"]),
        "credits_billed": 252,
        "credits_refunded": 42,
        "balance": 10_000 - 210,
    }
    assert [entry["seq"] for entry in told["tasks"]] == [1, 2, 3, 4, 5, 6]
    assert [refusal["code"] for refusal in told["refused"] if refusal["route"] == "createTask"] == [503]
    assert told["duplicates"] == {}


async def test_an_entry_says_everything_about_an_order_but_the_key(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    task = await caller.task(order("a prompt", callback="http://hooks.example/?wf=1", duration="10"))
    kie.advance(300)
    await caller.ended(task)
    response = await http.get(f"{kie.admin_url}/__sim/ledger?only=tasks")
    (entry,) = response.json()["tasks"]
    assert entry["task_id"] == task
    assert entry["model"] == "kling/v2-5-turbo-image-to-video-pro"
    assert (entry["price"], entry["billed"], entry["refunded"], entry["seconds"]) == (84, 84, 0, 10)
    assert entry["call_back_url"] == "http://hooks.example/?wf=1"
    assert (entry["prompt"], entry["image_url"], entry["key"]) == ("a prompt", ELSEWHERE, 0)
    assert (entry["state"], entry["clip"]) == ("success", "good")
    assert entry["virtual"] < entry["finished"] <= entry["virtual"] + 240
    assert entry["result_url"] == await caller.url(task)
    assert "sim-key" not in response.text


async def test_the_most_tasks_that_ever_ran_at_once_is_kept(kie: KieSimulator, caller: KieCaller) -> None:
    for number in range(3):
        await caller.task(order(f"clip {number}"))
    kie.advance(300)
    await until(lambda: kie.ledger.in_flight == 0)
    await caller.task(order("alone"))
    assert (kie.ledger.in_flight, kie.ledger.max_in_flight) == (1, 3)


async def test_the_peak_of_polls_is_taken_over_any_second(start_kie: Any) -> None:
    kie = await start_kie(poll_limit=0)
    async with KieCaller(kie) as caller:
        task = await caller.task()
        for _ in range(25):
            await caller.record(task)
    assert kie.ledger.polls == 25
    assert 20 <= kie.ledger.polls_per_second_max <= 25


async def test_the_same_order_twice_is_a_duplicate_and_another_prompt_is_not(
    kie: KieSimulator, caller: KieCaller
) -> None:
    first = await caller.task(order("same"))
    await caller.task(order("other"))
    assert kie.ledger.duplicates == {}
    again = await caller.task(order("same", callback="http://hooks.example/?attempt=2"))
    assert list(kie.ledger.duplicates.values()) == [[first, again]]


# ── after a kill ─────────────────────────────────────────────────────────


def killed(kie: KieSimulator, copy: Path) -> KieConfig:
    """What a new process would find after `kill -9`: the folder as it is now, nothing said goodbye."""
    assert kie.config.data is not None
    copy.mkdir()
    (copy / "uploads").mkdir()
    (copy / "journal.jsonl").write_bytes((kie.config.data / "journal.jsonl").read_bytes() + b'{"event": "poll')
    for upload in (kie.config.data / "uploads").iterdir():
        (copy / "uploads" / upload.name).write_bytes(upload.read_bytes())
    return kie.config.model_copy(update={"data": copy})


async def test_the_ledger_survives_a_kill_and_running_tasks_run_on(
    start_kie: Any, stack: Any, tmp_path: Path, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    kie = await start_kie(data=tmp_path / "one", persist=True, duration=(100, 100))
    kie.order(match="bad", fail="internal")
    async with KieCaller(kie) as caller:
        done, bad = await caller.task(order("done")), await caller.task(order("bad"))
        kie.advance(101)
        url = await caller.url(done)
        await http.get(url)
        running = await caller.task(order("running", callback=receiver.url))
        files = {"file": ("a.png", png(), "image/png")}
        form = {"uploadPath": "p", "fileName": "a.png"}
        headers = {"Authorization": "Bearer sim-key"}
        await http.post(f"{kie.upload_url}/api/file-stream-upload", data=form, files=files, headers=headers)
        await caller.create({"model": "nobody"})
        before = kie.ledger_json()
    again: KieSimulator = await stack.enter_async_context(KieSimulator(killed(kie, tmp_path / "two")))
    after = again.ledger_json()
    assert after["counters"] == before["counters"]
    assert after["refused"] == before["refused"]
    for old, new in zip(before["tasks"], after["tasks"], strict=True):
        assert {**old, "result_url": None} == {**new, "result_url": None}
    async with KieCaller(again) as caller:
        assert await caller.credit() == before["counters"]["balance"]
        assert (await http.get(await caller.url(done))).status_code == 200
        assert (await http.get(f"{again.upload_url}/uploads/p/a.png")).content == png()
        assert (await caller.look(bad))["state"] == "fail"
        again.advance(101)
        assert (await caller.ended(running))["state"] == "success"
        await until(lambda: receiver.task_ids == [running])
        assert await caller.task(order("next")) not in (done, bad, running)
    assert abs(again.clock.now() - kie.clock.now()) < 110


async def test_an_end_nobody_was_told_of_is_announced_after_a_kill(
    start_kie: Any, stack: Any, tmp_path: Path, receiver: Receiver
) -> None:
    kie = await start_kie(data=tmp_path / "one", persist=True)
    async with KieCaller(kie) as caller:
        task = await caller.task(order(callback=receiver.url))
        kie.advance(300)
        await until(lambda: len(kie.ledger.callbacks) == 1)
    config = killed(kie, tmp_path / "two")
    lines = (tmp_path / "two" / "journal.jsonl").read_text().splitlines()
    kept = [line for line in lines if '"called_back"' not in line]
    (tmp_path / "two" / "journal.jsonl").write_text("\n".join(kept) + "\n")
    await stack.enter_async_context(KieSimulator(config))
    await until(lambda: receiver.task_ids == [task, task])


async def test_a_reset_and_a_top_up_survive_as_well(start_kie: Any, tmp_path: Path) -> None:
    kie = await start_kie(data=tmp_path / "one", persist=True)
    async with KieCaller(kie) as caller:
        await caller.task()
        kie.reset()
        await caller.task()
        kie.configure(credits=500)
    config = killed(kie, tmp_path / "two")
    for _ in range(2):  # the second reads what the first wrote behind the line that was cut off
        again = KieSimulator(config)
        async with again:
            assert again.ledger.accepted == 1
            assert again.counters()["balance"] == 500
            again.configure(credits=500)
            async with KieCaller(again) as caller:
                assert (await caller.create({"model": "nobody"})).json()["code"] == 422
    assert len(again.refusals) == 2
    assert [event["event"] for event in Journal(tmp_path / "two" / "journal.jsonl").read()].count("opened") == 3


async def test_a_ledger_goes_on_at_another_speed(start_kie: Any, stack: Any, tmp_path: Path) -> None:
    """`starter.py demo` and `starter.py up` on one data directory run at different speeds."""
    kie = await start_kie(data=tmp_path / "one", persist=True, duration=(100, 100))
    async with KieCaller(kie) as caller:
        task = await caller.task()
        kie.advance(60)
    config = killed(kie, tmp_path / "two").model_copy(update={"speed": 3_000.0})
    again = await stack.enter_async_context(KieSimulator(config))
    assert again.clock.now() >= kie.clock.now() - 1  # a kill leaves the time of the last sign of life
    async with KieCaller(again) as caller:
        assert (await caller.ended(task))["state"] == "success"


def test_while_no_process_runs_running_tasks_end_and_files_do_not_expire() -> None:
    """A night off at speed 20 is no week: results are kept for a day. (speed, seconds off, virtual seconds passed)"""
    for speed, away, passed in ((20, 1, 20), (20, 3_600, 3_600), (20, 36_000, 36_000), (1, 50, 50), (0.5, 50, 50)):
        clock = Clock(speed)
        clock.resume(1_000.0, 2_000.0, away)
        assert 2_000 + passed <= clock.now() < 2_000 + passed + speed, (speed, away)


async def test_an_account_is_topped_up_at_the_start_when_asked(start_kie: Any, tmp_path: Path) -> None:
    """A rehearsal's ledger is kept for ever; its credits must not run out some day."""
    kie = await start_kie(data=tmp_path / "one", persist=True, credits=100)
    async with KieCaller(kie) as caller:
        await caller.task()
    spent = kie.counters()["balance"]
    assert spent < 100
    for changes, expected in (({}, spent), ({"top_up": True}, 100), ({"top_up": True, "credits": 60}, 100)):
        async with KieSimulator(kie.config.model_copy(update=changes)) as again:
            assert again.counters()["balance"] == expected, changes
        assert again.ledger.accepted == 1


async def test_without_persist_nothing_is_kept(start_kie: Any, tmp_path: Path) -> None:
    kie = await start_kie(data=tmp_path)
    async with KieCaller(kie) as caller:
        await caller.task()
    assert not (tmp_path / "journal.jsonl").exists()
    with pytest.raises(ValueError, match="persist needs data"):
        KieConfig(persist=True)


async def test_a_journal_line_is_written_before_the_answer(start_kie: Any, tmp_path: Path) -> None:
    kie = await start_kie(data=tmp_path, persist=True)
    kie.script("createTask", ["accept_then_reset"])
    async with KieCaller(kie) as caller:
        with pytest.raises(httpx.HTTPError):
            await caller.create(order("lost"))
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["opened", "accepted"]
    assert events[1]["body"]["input"]["prompt"] == "lost"
