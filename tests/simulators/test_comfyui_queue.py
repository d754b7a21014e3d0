"""Queue, history and jobs of a ComfyUI server: what is known of a prompt, when, and what stops it."""

from typing import Any

import pytest

from simulators.comfyui import ComfySimulator
from tests.simulators.callers import until
from tests.simulators.comfy import ComfyCaller, Ears, changed, new_id, node, sampled, trivial, two_pass


async def running(comfy: ComfySimulator, prompt_id: str) -> None:
    await until(lambda: any(entry.state == "running" for entry in comfy.ledger.of(prompt_id)))


async def test_prompts_wait_for_one_another_in_the_order_of_their_numbers(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.configure(prompt_seconds=300)
    first = await artist.submit(sampled(1))
    await running(comfy, first)
    second, third = await artist.submit(sampled(2)), await artist.submit(sampled(3))
    urgent = await artist.submit(sampled(4), front=True)
    assert await artist.queue() == ([first], [urgent, second, third])
    assert (await artist.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 4}}
    comfy.configure(prompt_seconds=0.1)
    comfy.advance(300)
    await artist.ended(third)
    ran = sorted(comfy.ledger.prompts, key=lambda entry: entry.started or 0)
    assert [entry.prompt_id for entry in ran] == [first, urgent, second, third]
    assert comfy.ledger.counters()["success"] == 4
    assert max(comfy.ledger.gaps) < 60


async def test_an_item_of_the_queue_holds_number_id_graph_extra_and_outputs(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.configure(prompt_seconds=300)
    prompt_id = await artist.submit(sampled(), extra_data={"extra_pnginfo": {"job": {"attempt": 1}}})
    await running(comfy, prompt_id)
    (item,) = (await artist.http.get("/api/queue")).json()["queue_running"]
    assert (item[0], item[1], item[2], item[4]) == (0, prompt_id, sampled(), ["9"])
    assert item[3].pop("create_time") > 1_700_000_000_000
    assert item[3] == {"client_id": "tester", "extra_pnginfo": {"job": {"attempt": 1}}}


async def test_history_knows_a_prompt_only_when_it_has_ended(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.configure(prompt_seconds=300)
    prompt_id = await artist.submit(sampled())
    await running(comfy, prompt_id)
    assert await artist.past(prompt_id) == {}
    assert await artist.past(new_id()) == {}
    comfy.advance(300)
    past = await artist.ended(prompt_id)
    assert past["prompt"][1] == prompt_id
    assert past["outputs"] == {
        "9": {"images": [{"filename": "still_00001_.png", "subfolder": "jobs", "type": "output"}]}
    }
    assert past["meta"]["9"] == {"node_id": "9", "display_node": "9", "parent_node": None, "real_node_id": "9"}
    assert (past["status"]["status_str"], past["status"]["completed"]) == ("success", True)
    words = [message[0] for message in past["status"]["messages"]]
    assert words == ["execution_start", "execution_cached", "execution_success"]
    assert past["status"]["messages"][0][1].keys() == {"prompt_id", "timestamp"}


async def test_history_gives_the_last_entries_and_forgets_on_request(artist: ComfyCaller) -> None:
    ids = [await artist.submit(trivial(seed)) for seed in range(3)]
    await artist.ended(ids[2])
    assert list((await artist.http.get("/history", params={"max_items": 2})).json()) == ids[1:]
    assert list((await artist.http.get("/history", params={"max_items": 1, "offset": 0})).json()) == ids[:1]
    await artist.http.post("/history", json={"delete": [ids[0]]})
    assert list((await artist.http.get("/history")).json()) == ids[1:]
    await artist.http.post("/history", json={"clear": True})
    assert (await artist.http.get("/history")).json() == {}


async def test_the_same_id_is_queued_as_often_as_it_is_posted(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    foreign = comfy.add_foreign_prompt(seconds=300)
    prompt_id = new_id()
    for _ in range(3):
        await artist.submit(sampled(), prompt_id=prompt_id)
    assert (await artist.queue())[1] == [prompt_id] * 3
    await artist.http.post("/queue", json={"delete": [prompt_id]})
    assert (await artist.queue())[1] == [prompt_id] * 2
    comfy.advance(300)
    await artist.ended(foreign[0])
    await until(lambda: [entry.state for entry in comfy.ledger.of(prompt_id)].count("success") == 2)
    assert list((await artist.http.get("/history")).json()) == [foreign[0], prompt_id]
    await artist.ended(later := await artist.submit(trivial(9)))
    await artist.submit(trivial(10), prompt_id=prompt_id)
    await until(lambda: comfy.ledger.of(prompt_id)[-1].state == "success")
    assert list((await artist.http.get("/history")).json()) == [foreign[0], prompt_id, later]
    assert comfy.ledger.duplicates == {prompt_id: 4}
    ran = [entry for entry in comfy.ledger.of(prompt_id) if entry.started]
    assert [entry.executed for entry in ran] == [9, 0, 2]  # the second came from the cache


async def test_a_deleted_prompt_leaves_no_trace(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.add_foreign_prompt(seconds=300)
    prompt_id, other = await artist.submit(trivial(1)), await artist.submit(trivial(2))
    await artist.http.post("/queue", json={"delete": [prompt_id]})
    assert (await artist.job(prompt_id)).status_code == 404
    await artist.http.post("/queue", json={"clear": True})
    assert (await artist.job(other)).status_code == 404
    assert [entry.state for entry in comfy.ledger.prompts] == ["running", "deleted", "deleted"]


async def test_a_fully_cached_prompt_names_the_old_file_even_when_it_is_gone(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    first = await artist.made(trivial())
    (comfy.folder / "output" / "jobs" / "picture_00001_.png").unlink()
    again = await artist.made(trivial())
    assert again == first
    assert (await artist.view(again["9"]["images"][0])).status_code == 404
    await artist.http.post("/free", json={"free_memory": True})
    fresh = await artist.made(trivial())
    assert (await artist.view(fresh["9"]["images"][0])).status_code == 200


async def test_with_another_prefix_only_the_saving_node_runs_and_takes_all_the_time(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    await artist.made(trivial(prefix="jobs/one"))
    comfy.configure(prompt_seconds=0.1)
    outputs = await artist.made(trivial(prefix="jobs/two"))
    assert outputs["9"]["images"][0]["filename"] == "two_00001_.png"
    assert [entry.executed for entry in comfy.ledger.prompts] == [3, 1]
    entry = comfy.ledger.prompts[1]
    assert (entry.ended or 0) - (entry.started or 0) >= 0.1


async def test_memory_is_given_back_between_two_prompts(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.configure(prompt_seconds=30)
    prompt_id = await artist.submit(sampled(1))
    await until(lambda: comfy.ledger.counts["model_loads"] == 1)
    await artist.http.post("/free", json={"unload_models": True})
    devices = (await artist.http.get("/system_stats")).json()["devices"]
    assert devices[0]["vram_free"] < devices[0]["vram_total"]
    comfy.advance(30)
    await artist.ended(prompt_id)
    devices = (await artist.http.get("/system_stats")).json()["devices"]
    assert devices[0]["vram_free"] == devices[0]["vram_total"]


async def test_models_are_loaded_when_a_prompt_needs_others(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    for graph in (sampled(1), sampled(2), two_pass(1), two_pass(2), sampled(3)):
        await artist.made(graph)
    assert comfy.ledger.counters()["model_loads"] == 3


# ── stopping ─────────────────────────────────────────────────────────────


async def test_a_targeted_interrupt_stops_only_that_prompt_while_it_runs(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.configure(prompt_seconds=30)
    ears = await Ears.open(comfy.api_url)
    prompt_id = await artist.submit(sampled())
    await ears.listen("executing 3")
    await ears.close()
    assert (await artist.http.post("/interrupt", json=[])).status_code == 500
    response = await artist.http.post("/interrupt", json={"prompt_id": new_id()})
    assert (response.status_code, response.content) == (200, b"")
    await artist.http.post("/api/interrupt", json={"prompt_id": prompt_id})
    past = await artist.ended(prompt_id)
    (entry,) = comfy.ledger.prompts
    assert (entry.state, past["outputs"]) == ("interrupted", {})
    assert entry.seconds_to_interrupt is not None
    assert 0.1 < entry.seconds_to_interrupt < 2
    assert (past["status"]["status_str"], past["status"]["completed"]) == ("error", False)
    word, about = past["status"]["messages"][-1]
    assert (word, about["node_id"], about["node_type"]) == ("execution_interrupted", "3", "KSampler")
    assert set(about["executed"]) == {"28", "30", "27", "33", "13"}


async def test_an_interrupt_without_an_id_stops_whatever_runs_and_none_leaks_into_the_next(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    await artist.http.post("/interrupt")
    await artist.made(sampled(1))
    comfy.configure(prompt_seconds=30)
    prompt_id = await artist.submit(sampled(2))
    await running(comfy, prompt_id)
    await artist.http.post("/interrupt", json={})
    await artist.ended(prompt_id)
    comfy.configure(prompt_seconds=0.02)
    await artist.made(sampled(3))
    assert [entry.state for entry in comfy.ledger.prompts] == ["success", "interrupted", "success"]


async def test_an_interrupt_during_the_encoding_ends_as_success(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(seconds=0.4, encode_seconds=300)
    prompt_id = await artist.submit(two_pass())
    await until(lambda: (comfy.folder / "output" / "jobs" / "clip_00001_.mp4").exists())
    assert (await artist.http.post(f"/api/jobs/{prompt_id}/cancel")).json() == {"cancelled": True}
    comfy.advance(300)
    past = await artist.ended(prompt_id)
    assert past["status"]["status_str"] == "success"
    (entry,) = comfy.ledger.prompts
    assert (entry.state, entry.interrupted_at, entry.cancel_asked is not None) == ("success", None, True)


async def test_an_interrupt_between_two_saving_nodes_keeps_and_tells_the_file_that_is_there(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.order(seconds=1, encode_seconds=300)
    prompt_id = await artist.submit({**trivial(), "10": node("SaveImage", images=["1", 0], filename_prefix="jobs/two")})
    await until(lambda: (comfy.folder / "output" / "jobs" / "picture_00001_.png").exists())
    await artist.http.post("/interrupt", json={"prompt_id": prompt_id})
    past = await artist.ended(prompt_id)
    assert (past["status"]["status_str"], list(past["outputs"])) == ("error", ["9"])
    assert comfy.ledger.prompts[0].files == ["jobs/picture_00001_.png"]


async def test_an_interrupt_may_get_lost_though_it_was_answered_well(
    comfy: ComfySimulator, artist: ComfyCaller
) -> None:
    comfy.order(seconds=30, lost_interrupts=1)
    prompt_id = await artist.submit(sampled())
    await running(comfy, prompt_id)
    assert (await artist.http.post(f"/api/jobs/{prompt_id}/cancel")).json() == {"cancelled": True}
    comfy.advance(10)
    assert (await artist.queue())[0] == [prompt_id]
    await artist.http.post(f"/api/jobs/{prompt_id}/cancel")
    assert (await artist.ended(prompt_id))["status"]["messages"][-1][0] == "execution_interrupted"


async def test_a_deaf_prompt_runs_to_its_end(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(deaf=True, seconds=300)
    prompt_id = await artist.submit(sampled())
    await running(comfy, prompt_id)
    await artist.http.post("/interrupt")
    comfy.advance(300)
    assert (await artist.ended(prompt_id))["status"]["status_str"] == "success"


# ── /api/jobs ────────────────────────────────────────────────────────────


async def test_a_job_goes_from_pending_to_completed(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.add_foreign_prompt(seconds=300)
    prompt_id = new_id()
    assert (await artist.job(prompt_id)).json() == {"error": "Job not found"}
    await artist.submit(sampled(), prompt_id=prompt_id)
    assert (await artist.job(prompt_id)).json()["status"] == "pending"
    comfy.configure(prompt_seconds=300)
    comfy.advance(300)
    await running(comfy, prompt_id)
    assert (await artist.job(prompt_id)).json()["status"] == "in_progress"
    comfy.advance(300)
    await artist.ended(prompt_id)
    job = (await artist.job(prompt_id)).json()
    assert (job["status"], job["outputs_count"], list(job["outputs"])) == ("completed", 1, ["9"])
    assert job["execution_start_time"] <= job["execution_end_time"]
    assert job["workflow"]["prompt"] == sampled()
    assert job["preview_output"]["filename"] == "still_00001_.png"


async def test_jobs_tell_cancelled_from_failed(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(match="unlucky", fail="error")
    comfy.order(match="long", seconds=30)
    failed = await artist.submit(sampled(prefix="unlucky"))
    stopped = await artist.submit(sampled(prefix="long"))
    await running(comfy, stopped)
    waiting = await artist.submit(sampled(3))
    assert (await artist.http.post(f"/api/jobs/{waiting}/cancel")).json() == {"cancelled": True}
    assert (await artist.http.post(f"/api/jobs/{stopped}/cancel")).json() == {"cancelled": True}
    await artist.ended(stopped)
    assert (await artist.http.post(f"/api/jobs/{stopped}/cancel")).json() == {"cancelled": False}
    assert (await artist.job(stopped)).json()["status"] == "cancelled"
    job = (await artist.job(failed)).json()
    assert (job["status"], job["execution_error"]["exception_type"]) == ("failed", "RuntimeError")
    told = (await artist.http.get("/api/jobs", params={"status": "failed,cancelled", "limit": 1})).json()
    assert told["pagination"] == {"offset": 0, "limit": 1, "total": 2, "has_more": True}
    assert [job["id"] for job in told["jobs"]] == [stopped]


async def test_many_jobs_are_cancelled_at_once(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.add_foreign_prompt(seconds=300)
    ids = [await artist.submit(trivial(seed)) for seed in range(2)]
    assert (await artist.http.post("/api/jobs/cancel", json={"job_ids": ids})).json() == {"cancelled": True}
    assert (await artist.http.post("/api/jobs/cancel", json={"job_ids": []})).json() == {"cancelled": False}
    assert (await artist.http.post("/api/jobs/cancel", json={"job_ids": ["x"]})).status_code == 400
    assert (await artist.http.post("/api/jobs/cancel", json={"job_ids": "x"})).status_code == 400
    assert comfy.ledger.counters()["deleted"] == 2


async def test_the_picture_of_a_job_is_an_output_where_there_is_one(artist: ComfyCaller) -> None:
    graph = {**trivial(), "10": node("PreviewImage", images=["2", 0])}
    prompt_id = await artist.submit(graph)
    await artist.ended(prompt_id)
    told = (await artist.job(prompt_id)).json()
    assert (told["outputs_count"], told["preview_output"]["type"]) == (2, "output")
    only_temp = await artist.submit({name: graph[name] for name in ("1", "2", "10")})
    await artist.ended(only_temp)
    assert (await artist.job(only_temp)).json()["preview_output"]["type"] == "temp"


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/x", "/jobs"])
async def test_the_old_generation_has_no_jobs(old_artist: ComfyCaller, path: str) -> None:
    response = await old_artist.http.get(path)
    assert (response.status_code, response.text) == (404, "")


async def test_a_post_to_a_route_that_is_not_there_is_not_allowed(old_artist: ComfyCaller) -> None:
    """Every path is one of the editor's files, perhaps, and those can only be fetched."""
    response = await old_artist.http.post(f"/api/jobs/{new_id()}/cancel")
    assert (response.status_code, response.text) == (405, "405: Method Not Allowed")


async def test_the_middle_generation_has_jobs_that_say_less_and_cannot_be_cancelled(start_comfy: Any) -> None:
    comfy = await start_comfy(generation="middle", prompt_seconds=30)
    async with ComfyCaller(comfy) as artist:
        prompt_id = await artist.submit(sampled(), prompt_id="any-id")
        await running(comfy, prompt_id)
        told = (await artist.job(prompt_id)).json()
        assert (told["status"], "workflow" in told) == ("in_progress", False)
        assert (await artist.http.post(f"/api/jobs/{prompt_id}/cancel")).status_code == 405
        await artist.http.post("/interrupt", json={"prompt_id": prompt_id})
        await artist.ended(prompt_id)
        told = (await artist.job(prompt_id)).json()
        assert (told["status"], "execution_error" in told) == ("failed", False)
        assert told["workflow"]["extra_data"]["client_id"] == "tester"


async def test_the_old_generation_cancels_by_queue_and_interrupt(
    old_comfy: ComfySimulator, old_artist: ComfyCaller
) -> None:
    old_comfy.configure(prompt_seconds=30)
    prompt_id = await old_artist.submit(two_pass())
    await running(old_comfy, prompt_id)
    assert "create_time" not in (await old_artist.http.get("/queue")).json()["queue_running"][0][3]
    await old_artist.http.post("/queue", json={"delete": [prompt_id]})
    await old_artist.http.post("/interrupt", json={"prompt_id": prompt_id})
    past: dict[str, Any] = await old_artist.ended(prompt_id)
    assert past["status"]["messages"][-1][0] == "execution_interrupted"


# ── failures ─────────────────────────────────────────────────────────────


async def test_a_failing_node_is_named_with_its_exception(artist: ComfyCaller) -> None:
    graph = {
        **trivial(),
        "4": node("PrimitiveInt", value=0),
        "3": node("ComfyMathExpression", **{"expression": "64 / a", "values.a": ["4", 0]}),
        "5": node("ImageScale", image=["1", 0], upscale_method="area", width=["3", 1], height=64, crop="disabled"),
    }
    past = await artist.ended(await artist.submit(changed(graph, "9", images=["5", 0])))
    assert past["outputs"] == {}
    word, about = past["status"]["messages"][-1]
    assert (word, about["node_id"], about["node_type"]) == ("execution_error", "3", "ComfyMathExpression")
    assert (about["exception_type"], about["exception_message"]) == ("ZeroDivisionError", "division by zero\n")
    assert about["current_inputs"] == {"expression": ["64 / a"], "values.a": [0]}
    await artist.made(trivial(7))  # and the next one is none the worse for it


async def test_a_damaged_input_passes_the_check_and_fails_at_run_time(artist: ComfyCaller) -> None:
    await artist.upload(b"no picture at all", "broken.png")
    past = await artist.ended(await artist.submit(changed(two_pass(), "97", image="broken.png")))
    about = past["status"]["messages"][-1][1]
    assert (about["node_type"], about["exception_type"]) == ("LoadImage", "PIL.UnidentifiedImageError")


async def test_out_of_memory_comes_on_order_and_by_name(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(fail="oom", count=1)
    past = await artist.ended(await artist.submit(two_pass()))
    about = past["status"]["messages"][-1][1]
    assert about["exception_type"] == "torch.OutOfMemoryError"
    assert about["exception_message"].endswith("\nThis error means you ran out of memory on your GPU.")
    assert about["node_type"] == "KSamplerAdvanced"
    await artist.made(two_pass())


async def test_an_error_comes_on_order_at_the_node_that_is_named(comfy: ComfySimulator, artist: ComfyCaller) -> None:
    comfy.order(fail="cuDNN is in a bad mood", node="VAEDecode")
    about = (await artist.ended(await artist.submit(sampled())))["status"]["messages"][-1][1]
    assert (about["node_id"], about["exception_message"]) == ("8", "cuDNN is in a bad mood\n")


async def test_an_order_for_a_node_that_is_not_there_is_told_and_the_gpu_goes_on(start_comfy: Any) -> None:
    comfy = await start_comfy()
    async with ComfyCaller(comfy) as artist:
        comfy.order(fail="error", node="VAEDecod", count=1)
        past = await artist.ended(await artist.submit(sampled()))
        assert past["status"]["messages"][-1][0] == "execution_error"
        assert "names node 'VAEDecod'" in (comfy.ledger.prompts[0].error or "")
        assert len(comfy.state()["problems"]) == 1
        await artist.made(sampled())
