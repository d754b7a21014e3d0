"""createTask: who may order, what may be ordered, what it costs, how often."""

import re
from typing import Any

import httpx
import pytest

from simulators.kie import KieSimulator
from tests.simulators.callers import ELSEWHERE, KieCaller, Stills, order

IMAGE = {"prompt": "p", "image_url": ELSEWHERE}
IMAGES = {"prompt": "p", "image_urls": [ELSEWHERE]}
THREE = {**IMAGES, "sound": False, "mode": "pro", "multi_shots": False}


def ordered(model: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"model": model, "input": given}


async def code_of(caller: KieCaller, body: Any) -> int:
    return int((await caller.create(body)).json()["code"])


# ── doors ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "sim-key"}])
async def test_a_wrong_key_is_an_http_200_with_code_401_or_a_real_401(
    kie: KieSimulator, http: httpx.AsyncClient, header: dict[str, str]
) -> None:
    url = f"{kie.api_url}/api/v1/jobs/createTask"
    soft = await http.post(url, json=order(), headers=header)
    assert (soft.status_code, soft.json()["code"]) == (200, 401)
    kie.configure(auth_as_http=True)
    hard = await http.post(url, json=order(), headers=header)
    assert (hard.status_code, hard.json()["code"]) == (401, 401)
    assert kie.ledger.accepted == 0


async def test_an_odd_user_agent_meets_cloudflare_when_that_is_checked(kie: KieSimulator) -> None:
    async with KieCaller(kie, headers={"User-Agent": "Python-urllib/3.11"}) as odd:
        assert (await odd.create()).status_code == 200
        kie.configure(check_user_agent=True)
        response = await odd.create()
        assert (response.status_code, response.text) == (403, "error code: 1010")
    async with KieCaller(kie, headers={"User-Agent": ""}) as silent, KieCaller(kie) as usual:
        assert (await silent.create()).status_code == 403
        assert await code_of(usual, order()) == 200


async def test_maintenance_closes_every_route_for_its_window(start_kie: Any) -> None:
    kie = await start_kie(maintenance_windows=((0, 60),))
    async with KieCaller(kie) as caller, httpx.AsyncClient(headers=caller.http.headers, verify=False) as http:
        assert await code_of(caller, order()) == 455
        assert (await caller.record("x")).json()["code"] == 455
        assert (await caller.http.get("/api/v1/chat/credit")).json()["code"] == 455
        upload = await http.post(f"{kie.upload_url}/api/file-base64-upload", json={})
        assert upload.json()["code"] == 455
        kie.advance(61)
        assert await code_of(caller, order()) == 200
        kie.configure(maintenance=True, errors_as_http=True)
        assert (await caller.create()).status_code == 455


async def test_unknown_paths_and_methods_are_refused_in_kies_words(kie: KieSimulator, caller: KieCaller) -> None:
    nowhere = await caller.http.get("/api/v1/nowhere")
    wrong = await caller.http.get("/api/v1/jobs/createTask")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, 404)
    assert (wrong.status_code, wrong.json()["code"]) == (405, 405)


# ── what may be ordered ──────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "given", "credits"),
    [
        ("kling/v2-5-turbo-image-to-video-pro", IMAGE, 42),
        ("kling/v2-5-turbo-image-to-video-pro", {**IMAGE, "duration": "10"}, 84),
        ("kling/v2-5-turbo-image-to-video-pro", {**IMAGE, "prompt": "p" * 2500, "negative_prompt": "n" * 500}, 42),
        ("kling/v2-5-turbo-image-to-video-pro", {**IMAGE, "tail_image_url": ELSEWHERE, "cfg_scale": 1}, 42),
        ("kling/v2-5-turbo-text-to-video-pro", {"prompt": "p", "aspect_ratio": "9:16", "duration": "10"}, 84),
        ("kling/v2-5-turbo-text-to-video-pro", {"prompt": "p", "negative_prompt": "n" * 2500}, 42),
        ("kling/v2-1-standard", {**IMAGE, "prompt": "p" * 5000}, 25),
        ("kling/v2-1-standard", {**IMAGE, "duration": "10"}, 50),
        ("kling/v2-1-pro", {**IMAGE, "tail_image_url": ELSEWHERE}, 50),
        ("kling/v2-1-pro", {**IMAGE, "duration": "10"}, 100),
        # The vendor's own page names this model where 2.5 turbo is meant: it is taken, and it costs.
        ("kling/v2-1-master-image-to-video", IMAGE, 160),
        ("kling/v2-1-master-image-to-video", {**IMAGE, "duration": "10"}, 320),
        ("kling-2.6/image-to-video", {**IMAGES, "sound": False}, 55),
        ("kling-2.6/image-to-video", {**IMAGES, "sound": True, "duration": "10"}, 220),
        ("kling-3.0/video", {**THREE, "duration": "3"}, 33),
        ("kling-3.0/video", {**THREE, "image_urls": [ELSEWHERE] * 2, "duration": "15", "mode": "4K"}, 165),
        ("kling/v3-turbo-image-to-video", {**IMAGES, "duration": "7", "resolution": "720p"}, 77),
        ("kling-3.0-omni/image-to-video", {**IMAGES, "duration": 15, "resolution": "4k"}, 165),
    ],
)
async def test_each_model_takes_its_own_input_and_has_its_price(
    kie: KieSimulator, caller: KieCaller, model: str, given: dict[str, Any], credits: float
) -> None:
    assert await code_of(caller, ordered(model, given)) == 200
    assert kie.ledger.tasks[0].price == kie.ledger.tasks[0].billed == credits
    assert await caller.credit() == 10_000 - credits


TURBO = "kling/v2-5-turbo-image-to-video-pro"
WRONG: list[tuple[str, dict[str, Any]]] = [
    (TURBO, {"image_url": ELSEWHERE}),
    (TURBO, {"prompt": "p"}),
    (TURBO, {"prompt": "p", "image_urls": [ELSEWHERE]}),
    (TURBO, {**IMAGE, "image_url": [ELSEWHERE]}),
    (TURBO, {**IMAGE, "image_url": "not a url"}),
    (TURBO, {**IMAGE, "duration": 5}),
    (TURBO, {**IMAGE, "duration": "7"}),
    (TURBO, {**IMAGE, "prompt": "p" * 2501}),
    (TURBO, {**IMAGE, "prompt": ["p"]}),
    (TURBO, {**IMAGE, "negative_prompt": "n" * 501}),
    (TURBO, {**IMAGE, "cfg_scale": 1.1}),
    (TURBO, {**IMAGE, "cfg_scale": "0.5"}),
    (TURBO, {**IMAGE, "aspect_ratio": "16:9"}),
    ("kling/v2-1-standard", {**IMAGE, "tail_image_url": ELSEWHERE}),
    ("kling/v2-1-pro", {**IMAGE, "prompt": "p" * 5001}),
    ("kling/v2-5-turbo-text-to-video-pro", {"prompt": "p", "image_url": ELSEWHERE}),
    ("kling/v2-5-turbo-text-to-video-pro", {"prompt": "p", "negative_prompt": "n" * 2501}),
    ("kling/v2-5-turbo-text-to-video-pro", {"prompt": "p", "aspect_ratio": "4:3"}),
    ("kling-2.6/image-to-video", {**IMAGE, "sound": True}),
    ("kling-2.6/image-to-video", IMAGES),
    ("kling-2.6/image-to-video", {**IMAGES, "sound": "true"}),
    ("kling-2.6/image-to-video", {**IMAGES, "sound": True, "image_urls": [ELSEWHERE] * 2}),
    ("kling-2.6/image-to-video", {**IMAGES, "sound": True, "prompt": "p" * 1001}),
    ("kling-3.0/video", {**THREE, "duration": "16"}),
    ("kling-3.0/video", {**THREE, "duration": "5", "mode": "ultra"}),
    ("kling-3.0/video", {**THREE, "duration": "5", "multi_prompt": ["p"] * 6}),
    ("kling-3.0/video", {**THREE, "duration": "5", "kling_elements": [{}] * 4}),
    ("kling/v3-turbo-image-to-video", {**IMAGES, "duration": 7}),
    ("kling/v3-turbo-image-to-video", {**IMAGES, "resolution": "4k"}),
    ("kling-3.0-omni/image-to-video", {**IMAGES, "duration": "7"}),
    ("kling-3.0-omni/image-to-video", {**IMAGES, "duration": 16}),
    ("kling/v9-nobody-knows", IMAGE),
]


async def test_input_that_breaks_the_models_rules_is_refused_with_422(start_kie: Any) -> None:
    kie = await start_kie(rate_limit=0)
    async with KieCaller(kie) as caller:
        for model, given in WRONG:
            assert await code_of(caller, ordered(model, given)) == 422, (model, given)
        kie.configure(validation_as_500=True)
        for model, given in WRONG[:-1]:
            assert await code_of(caller, ordered(model, given)) == 500, (model, given)
        assert await code_of(caller, ordered(*WRONG[-1])) == 422
        assert kie.ledger.accepted == 0
        assert await caller.credit() == 10_000


async def test_extra_input_can_be_let_through(kie: KieSimulator, caller: KieCaller) -> None:
    kie.configure(unknown_input="ignore")
    assert await code_of(caller, order(aspect_ratio="16:9")) == 200


async def test_a_body_that_is_no_order_is_refused(kie: KieSimulator, caller: KieCaller) -> None:
    broken = await caller.http.post("/api/v1/jobs/createTask", content=b"{")
    assert broken.json()["code"] == 400
    assert await code_of(caller, {"model": TURBO}) == 422
    assert await code_of(caller, {**order(), "callBackUrl": 7}) == 422


async def test_a_model_can_be_switched_off(kie: KieSimulator, caller: KieCaller) -> None:
    kie.configure(disabled_models=[TURBO])
    assert await code_of(caller, order()) == 505
    assert await code_of(caller, ordered("kling/v2-1-pro", IMAGE)) == 200


async def test_refusals_can_be_real_statuses_and_use_the_other_word_for_msg(
    kie: KieSimulator, caller: KieCaller
) -> None:
    kie.configure(errors_as_http=True, message_key="message")
    response = await caller.create(order(duration=5))
    assert response.status_code == 422
    assert response.json()["message"] == "duration is not within the range of allowed options"
    assert (await caller.create()).json()["message"] == "success"


@pytest.mark.parametrize(
    ("style", "shape"),
    [("hex", r"[0-9a-f]{32}"), ("digits", r"task_\d+"), ("model_ms", r"task_kling-v2-5-.*_\d{16}")],
)
async def test_task_ids_come_in_three_shapes(kie: KieSimulator, caller: KieCaller, style: str, shape: str) -> None:
    kie.configure(task_id_style=style)
    task_id = await caller.task()
    assert re.fullmatch(shape, task_id)


# ── stills ───────────────────────────────────────────────────────────────

UNUSABLE = ("moved.png", "page.png", "large.png", "missing.png")


async def test_stills_are_looked_at_before_an_order_is_taken(start_kie: Any, stills: Stills) -> None:
    kie = await start_kie(fetch_images="at_create")
    async with KieCaller(kie) as caller:
        for name in UNUSABLE:
            assert await code_of(caller, order(image_url=f"{stills.url}/{name}")) == 451, name
        assert await code_of(caller, order(image_url="http://127.0.0.1:1/x.png")) == 451
        kie.configure(image_error_code=422)
        assert await code_of(caller, order(image_url=f"{stills.url}/missing.png")) == 422
        assert kie.ledger.accepted == 0
        for name in ("good.png", "good.jpg"):
            assert await code_of(caller, order(image_url=f"{stills.url}/{name}")) == 200, name
        assert stills.asked == len(UNUSABLE) + 3


async def test_stills_that_are_looked_at_later_fail_the_task(start_kie: Any, stills: Stills) -> None:
    kie = await start_kie(fetch_images="later")
    async with KieCaller(kie) as caller:
        tasks = [await caller.task(order(image_url=f"{stills.url}/{name}")) for name in (*UNUSABLE, "good.png")]
        kie.advance(300)
        ends = [await caller.ended(task) for task in tasks]
        assert [end["state"] for end in ends] == ["fail"] * 4 + ["success"]
        assert ends[0]["failMsg"].startswith("Image fetch failed")
        assert ends[0]["creditsConsumed"] == 0
        assert await caller.credit() == 10_000 - 42


async def test_stills_are_not_asked_for_when_fetching_is_off(kie: KieSimulator, stills: Stills) -> None:
    async with KieCaller(kie) as caller:
        task = await caller.task(order(image_url=f"{stills.url}/missing.png"))
        kie.advance(300)
        assert (await caller.ended(task))["state"] == "success"
    assert stills.asked == 0
