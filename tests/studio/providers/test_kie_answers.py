"""Every spelling in which KIE.ai was seen answering, and some it may yet find: what the client makes of each.

The samples are whole answers, kept as files; `kie` repeats one over the client's own HTTP stack.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio import errors
from studio.errors import StudioError, SubmissionUnknown
from studio.providers.kie import KieClient, KieTask

SAMPLES = Path(__file__).parent / "samples" / "kie"
URL = "https://tempfile.example.org/v/clip one é.mp4"
CLIP = "https://tempfile.example.org/v/clip.mp4"
HTML = "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>"

Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def kie(answer: Answer) -> AsyncIterator[KieClient]:
    async with httpx.AsyncClient(base_url="https://kie.example", transport=httpx.MockTransport(answer)) as http:
        yield KieClient(http, http, http)


def telling(body: object, status: int = 200) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=content)


def sample(name: str) -> bytes:
    (path,) = SAMPLES.glob(f"{name}_*.json")
    return path.read_bytes()


async def looked(body: object, status: int = 200) -> KieTask | StudioError:
    async with kie(telling(body, status)) as client:
        try:
            return await client.record_info("task_demo_1")
        except StudioError as error:
            return error


async def ordered(body: object, status: int = 200) -> str | StudioError:
    async with kie(telling(body, status)) as client:
        try:
            return await client.create_task(
                model="kling/v2-5-turbo-image-to-video-pro", prompt="p", image_url="https://x.example/a.png", seconds=5
            )
        except StudioError as error:
            return error


def record(**fields: Any) -> dict[str, Any]:
    return {"code": 200, "msg": "success", "data": {"taskId": "t", "state": "success", **fields}}


# ── looks ────────────────────────────────────────────────────────────────

FINISHED: dict[str, tuple[Decimal | None, float]] = {
    "r01": (Decimal(42), 142),
    "r02": (Decimal(42), 142),
    "r03": (Decimal(42), 142),
    "r04": (Decimal(42), 142),
    "r06": (Decimal(42), 142),
    "r07": (Decimal(42), 142),
    "r09": (Decimal(42), 142),
    "r13": (Decimal(42), 142),
    "r14": (Decimal(42), 142),
    "r19": (Decimal(42), 142),
    "r21": (Decimal(42), 142),
    "r22": (None, 142),
    "r23": (Decimal(42), 142),
    "r24": (Decimal(0), 142),
    "r25": (None, 142),
    "r26": (Decimal(42), 0),
}
OTHER_LOOKS = ("r11", "r12", "r16", "r17", "r27", "r28")


async def test_a_finished_clip_is_finished_whatever_its_answer_looks_like() -> None:
    found = {name: await looked(sample(name)) for name in FINISHED}
    assert {
        name: (task.state, task.urls, task.credits, task.seconds, task.reference)
        if isinstance(task, KieTask)
        else repr(task)
        for name, task in found.items()
    } == {
        name: ("success", (URL,), credits, seconds, "5f6c1e5e-0000-4000-8000-000000000001")
        for name, (credits, seconds) in FINISHED.items()
    }


async def test_what_is_not_finished_or_has_failed_or_is_not_known_is_told_apart() -> None:
    found = [await looked(sample(name)) for name in OTHER_LOOKS]
    assert [task.state if isinstance(task, KieTask) else type(task) for task in found] == [
        "success",
        "running",
        "fail",
        "running",
        errors.TaskLost,
        errors.TaskLost,
    ]
    assert isinstance(found[0], KieTask)
    assert found[0].urls == ()


def test_every_sample_of_a_look_or_an_order_is_in_a_table() -> None:
    named = {path.name.partition("_")[0] for path in SAMPLES.glob("*.json")}
    assert named == {*FINISHED, *OTHER_LOOKS, *FAILURES, *ORDERS}


PLACES: dict[str, object] = {
    "objects": {"resultJson": json.dumps({"resultUrls": [{"url": CLIP, "duration": 5}]})},
    "objects of another family": {"resultJson": {"videos": [{"id": 7, "url": CLIP, "cover": "https://x.example/c"}]}},
    "data.resultUrls": {"resultUrls": [CLIP]},
    "data.resultUrls as text": {"resultUrls": json.dumps([CLIP])},
    "snake case": {"result_json": {"result_urls": [CLIP]}},
    "deep": {"output": {"task_result": {"videos": [{"url": CLIP}]}}},
    "twice wrapped text": {"resultJson": json.dumps(json.dumps({"resultUrls": [CLIP]}))},
    "response as text": {"response": json.dumps({"resultUrls": [CLIP]})},
    "origin_urls": {"response": {"origin_urls": [CLIP]}},
    "video object": {"video": {"url": CLIP}},
    "unknown key": {"media": {"mainFile": CLIP}},
    "raw control characters": {"resultJson": '{"note":"a\tb\x01","resultUrls":["' + CLIP + '"]}'},
    "python's own spelling": {"resultJson": "{'resultUrls': ['" + CLIP + "']}"},
    "two in one text": {"resultUrls": f"{CLIP},https://x.example/second.mp4"},
    "with a cover before it": {"resultJson": {"coverUrl": "https://x.example/c.png", "resultUrls": [CLIP]}},
    "first frame and clip": {
        "resultJson": {"firstFrameUrl": "https://x.example/f.png", "lastFrameUrl": "https://x.example/l.png"}
        | {"resultUrls": [CLIP]}
    },
    "no scheme": {"resultUrls": [CLIP.removeprefix("https:")]},
    "picture beside the clip": {"resultUrls": ["https://x.example/a.png", CLIP]},
}


async def test_the_clip_is_found_wherever_its_address_is() -> None:
    found = {name: await looked(record(**fields)) for name, fields in PLACES.items()}  # type: ignore[arg-type]
    assert {
        name: task.urls[:1] if isinstance(task, KieTask) else task for name, task in found.items()
    } == dict.fromkeys(PLACES, (CLIP,))


async def test_what_is_no_address_of_a_clip_is_not_downloaded() -> None:
    for fields in (
        {"param": json.dumps({"input": {"image_url": "https://x.example/a.mp4"}})},
        {"callBackUrl": "https://x.example/hook.mp4"},
        {
            "resultJson": {
                "resultUrls": ["http://[", "https://", "ftp://x.example/a.mp4", "javascript:alert(1)", 7, None]
            }
        },
        {"resultJson": {"coverUrl": "https://x.example/c.png"}},
        {"detailPage": "https://kie.example/logs/1"},
    ):
        task = await looked(record(**fields))
        assert isinstance(task, KieTask), fields
        assert task.urls == (), fields


async def test_a_state_counts_in_any_spelling_and_under_any_of_its_keys() -> None:
    words = {
        "success": (
            "success",
            "Succeed",
            "SUCCEEDED",
            "completed",
            "Complete",
            "done",
            "finished",
            "已完成",
            " success ",
        ),
        "fail": (
            "fail",
            "FAILED",
            "failure",
            "error",
            "Canceled",
            "GENERATE_FAILED",
            "SENSITIVE_WORD_ERROR",
            "timeout",
        ),
        "running": ("waiting", "queuing", "generating", "PROCESSING", "polishing", "FIRST_SUCCESS", "?"),
    }
    for state, spellings in words.items():
        for key in ("state", "status", "taskStatus", "task_state", "State"):
            for word in spellings:
                task = await looked({"code": 200, "data": {"taskId": "t", key: word, "resultUrls": [CLIP]}})
                assert isinstance(task, KieTask), (key, word)
                assert task.state == state, (key, word)
    for flag, state in ((0, "running"), (1, "success"), (2, "fail"), (3, "fail")):
        task = await looked({"code": 200, "data": {"taskId": "t", "successFlag": flag, "resultUrls": [CLIP]}})
        assert isinstance(task, KieTask)
        assert task.state == state
    inside = await looked({"code": 200, "data": {"task": {"id": "t", "status": "SUCCEED", "videoUrl": CLIP}}})
    assert isinstance(inside, KieTask)
    assert (inside.state, inside.urls) == ("success", (CLIP,))


async def test_a_task_without_a_state_is_judged_by_its_file_or_its_failure() -> None:
    for fields, state in (
        ({"videoUrl": CLIP}, "success"),
        ({"failMsg": "broken"}, "fail"),
        ({"model": "m"}, "running"),
    ):
        task = await looked({"code": 200, "data": fields})
        assert isinstance(task, KieTask), fields
        assert task.state == state, fields


CREDITS: list[tuple[object, Decimal | None, bool]] = [
    (42, Decimal(42), False),
    ("42", Decimal(42), False),
    (" 42.50 ", Decimal("42.5"), False),
    ("42 credits", Decimal(42), False),
    (42.00000000000001, Decimal(42), False),
    (41.99999999999999, Decimal(42), False),
    (0.1 + 0.2, Decimal("0.3"), False),
    (12.3456789, Decimal("12.345679"), False),
    (0, Decimal(0), False),
    ("-0.0", Decimal(0), False),
    (840, Decimal(840), False),
    (None, None, False),
    ("", None, False),
    (" ", None, False),
    (841, None, True),
    (-2000, None, True),
    (-0.000001, None, True),
    (1e30, None, True),
    (float("nan"), None, True),
    ("NaN", None, True),
    (float("inf"), None, True),
    ("-Infinity", None, True),
    ("sNaN", None, True),
    ("4" * 5000, None, True),
    ("1e999999", None, True),
    (True, None, True),
    ("many", None, True),
    ([], None, True),
    ({"amount": 42}, None, True),
    ("42,5", None, True),
]


async def test_credits_are_a_finite_amount_near_the_price_or_are_not_said() -> None:
    for value, credits, unreadable in CREDITS:
        for key in ("creditsConsumed", "consumeCredits", "credits_consumed"):
            task = await looked(record(**{key: value}, model="kling/v2-5-turbo-image-to-video-pro"))
            assert isinstance(task, KieTask), value
            assert (task.credits, bool(task.credits_unreadable)) == (credits, unreadable), value
            assert len(task.credits_unreadable) <= 60
            assert task.credits is None or "E" not in str(task.credits)


async def test_what_was_ordered_says_how_much_ten_times_its_price_is() -> None:
    param = json.dumps({"model": "kling/v2-5-turbo-image-to-video-pro", "input": {"duration": "5"}})
    for credits, said in ((420, Decimal(420)), (421, None)):
        task = await looked(record(creditsConsumed=credits, param=param))
        assert isinstance(task, KieTask)
        assert task.credits == said


TIMES: list[tuple[object, object, float]] = [
    (1767225600000, 1767225742000, 142),
    ("1767225600000", "1767225742000", 142),
    (1767225600, 1767225742, 142),
    (1767225600000.5, 1767225742000.5, 142),
    (1767225600000000, 1767225742000000, 142),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:02:22.000+00:00", 142),
    ("2026-01-01 00:00:00", "2026-01-01 00:02:22", 142),
    ("2026-01-01T08:00:00+08:00", 1767225742000, 142),
    (1767225600000, None, 0),
    (None, 1767225742000, 0),
    (0, 1767225742000, 0),
    (1767225600000, 1767225500000, 0),
    (1767225600000, 9767225600000, 0),
    (float("nan"), float("inf"), 0),
    ("soon", "later", 0),
    ([], {}, 0),
    (True, True, 0),
    (-1, 10**400, 0),
    ("9999-99-99", "0000-00-00", 0),
]


async def test_times_are_read_in_any_form_and_what_is_none_is_no_time() -> None:
    for start, end, seconds in TIMES:
        task = await looked(record(createTime=start, completeTime=end, resultUrls=[CLIP]))
        assert isinstance(task, KieTask), (start, end)
        assert task.seconds == pytest.approx(seconds), (start, end)


async def test_an_address_that_is_none_in_the_repeated_order_is_no_reference() -> None:
    for address, reference in (
        ("https://h.example/callbacks/kie/abc?x=1", "abc"),
        ("http://[", None),
        ("", None),
        (7, None),
        ("https://h.example/callbacks/kie/" + "x" * 300, None),
        ("https://h.example/\ud800abc\x00\u202e", "�abc"),
    ):
        task = await looked(record(param={"callBackUrl": address}))
        assert isinstance(task, KieTask)
        assert task.reference == reference, address


async def test_only_kie_itself_says_that_it_does_not_know_a_task() -> None:
    own = [
        ({"code": 404, "msg": "task not found", "data": None}, 200),
        ({"code": "422", "msg": "recordInfo is null"}, 422),
    ]
    for body, status in own:
        assert type(await looked(body, status)) is errors.TaskLost, body
    for body, status in (
        (HTML.encode(), 404),
        (b"", 404),
        (b"not found", 422),
        ({"message": "no Route matched with those values"}, 404),
        ({"status": 404, "error": "Not Found", "path": "/api/v1/jobs/recordInfo"}, 404),
        ({"statusCode": 404, "message": "Cannot GET"}, 404),
        (HTML.encode(), 400),
        (HTML.encode(), 401),
        (HTML.encode(), 403),
        (HTML.encode(), 200),
        ([], 404),
        ({"msg": "success", "data": None}, 200),
    ):
        assert type(await looked(body, status)) is errors.ProviderUnavailable, (body, status)


async def test_no_refusal_of_a_look_fails_the_clip_but_a_bad_key() -> None:
    for code, kind in (
        (400, errors.ProviderUnavailable),
        (402, errors.ProviderUnavailable),
        (403, errors.ProviderUnavailable),
        (405, errors.ProviderUnavailable),
        (433, errors.ProviderUnavailable),
        (451, errors.ProviderUnavailable),
        (500, errors.ProviderUnavailable),
        (505, errors.ProviderUnavailable),
        (-1, errors.ProviderUnavailable),
        (429, errors.RateLimited),
        (455, errors.Maintenance),
        (401, errors.AuthenticationError),
    ):
        for status in (200, 400, 500):
            assert type(await looked({"code": code, "msg": "no", "data": None}, status)) is kind, code


async def test_a_failure_told_under_a_code_of_its_own_is_a_failure() -> None:
    task = await looked({"code": 501, "msg": "failed", "data": {"taskId": "t", "state": "fail", "failMsg": "internal"}})
    assert isinstance(task, KieTask)
    assert (task.state, task.failure) == ("fail", "internal")


# ── failures ─────────────────────────────────────────────────────────────

FAILURES: dict[str, type[StudioError]] = {
    "f01": errors.BadStill,
    "f02": errors.ContentRefused,
    "f03": errors.ContentRefused,
    "f05": errors.ContentRefused,
    "f07": errors.GenerationFailed,
    "f08": errors.ContentRefused,
    "f10": errors.ContentRefused,
    "f11": errors.GenerationFailed,
    "f13": errors.StillUnreachable,
    "f14": errors.GenerationFailed,
}
WORDS: list[tuple[str, type[StudioError]]] = [
    ("The prompt was rejected by our safety system", errors.ContentRefused),
    ("Possible copyright infringement", errors.ContentRefused),
    ("Your prompt violates our usage policies", errors.ContentRefused),
    ("NSFW content detected", errors.ContentRefused),
    ("This content was flagged", errors.ContentRefused),
    ("Content moderation failed", errors.ContentRefused),
    ("Prompt contains prohibited words", errors.ContentRefused),
    ("输入内容包含敏感信息", errors.ContentRefused),
    ("图片审核不通过", errors.ContentRefused),
    ("內容違規, 請修改", errors.ContentRefused),
    ("涉嫌侵权, 请更换图片", errors.ContentRefused),
    ("不適切なコンテンツが含まれています", errors.ContentRefused),
    ("콘텐츠 정책 위반입니다", errors.ContentRefused),
    ("El contenido infringe la política de contenido", errors.ContentRefused),
    ("Contenu inapproprié : politique de contenu", errors.ContentRefused),
    ("Verstoß gegen die Inhaltsrichtlinien", errors.ContentRefused),
    ("Запрос нарушает политику контента", errors.ContentRefused),
    ("PROHIBITED_CONTENT", errors.ContentRefused),
    ("aspect ratio must be between 1:2.5 and 2.5:1", errors.BadStill),
    ("The image is too small", errors.BadStill),
    ("Unsupported image format", errors.BadStill),
    ("invalid image", errors.BadStill),
    ("图片尺寸过小", errors.BadStill),
    ("图片格式不支持", errors.BadStill),
    ("画像サイズが大きすぎます", errors.BadStill),
    ("Failed to fetch the image. Kindly verify any access limits", errors.StillUnreachable),
    ("Could not download the image from the url", errors.StillUnreachable),
    ("图片下载失败", errors.StillUnreachable),
    ("The image url is not accessible", errors.StillUnreachable),
    ("Retry policy exhausted: upstream timeout", errors.GenerationFailed),
    ("rate limit policy exceeded", errors.GenerationFailed),
    ("foreign key constraint violation", errors.GenerationFailed),
    ("Content moderation service unavailable", errors.GenerationFailed),
    ("审核服务超时, 请稍后重试", errors.GenerationFailed),
    ("image-to-video generation failed: invalid duration", errors.GenerationFailed),
    ("Failed to load model file", errors.GenerationFailed),
    ("task is still running in an invalid state", errors.GenerationFailed),
    ("internal error", errors.GenerationFailed),
    ("", errors.GenerationFailed),
]


async def test_a_failed_task_is_sorted_by_what_its_words_mean() -> None:
    for name, kind in FAILURES.items():
        task = await looked(sample(name))
        assert isinstance(task, KieTask), name
        assert task.state == "fail", name
        assert type(task.failed()) is kind, (name, task.failed())
    for words, kind in WORDS:
        task = await looked(record(state="fail", failCode="500", failMsg=words))
        assert isinstance(task, KieTask), words
        assert type(task.failed()) is kind, (words, task.failed())


async def test_a_still_that_is_refused_says_what_to_change_and_is_not_tried_again() -> None:
    for name in ("f01", "f13"):
        task = await looked(sample(name))
        assert isinstance(task, KieTask)
        assert " - " in str(task.failed())
        assert not task.failed().retryable


async def test_a_failure_is_told_in_clean_words_and_keeps_what_it_cost() -> None:
    page = await looked(record(state="fail", failMsg=f"{HTML}<script>alert(1)</script>&amp; more"))
    assert isinstance(page, KieTask)
    assert page.failure == "404 Not Found nginx & more"
    odd = await looked(record(state="fail", failMsg="a\x00b\x1b[31m\u202ec\ud800\nd\x9be"))
    assert isinstance(odd, KieTask)
    assert odd.failure == "ab[31mc� de"
    billed = await looked(sample("f14"))
    assert isinstance(billed, KieTask)
    assert billed.credits == 42


# ── orders ───────────────────────────────────────────────────────────────

ORDERS: dict[str, str | type[StudioError]] = {
    "c01": "t1",
    "c02": errors.AuthenticationError,
    "c03": errors.InsufficientCredits,
    "c04": "r1",
    "c06": "t1",
    "c07": SubmissionUnknown,
    "c09": errors.InsufficientCredits,
    "c10": SubmissionUnknown,
    "c11": errors.RequestRefused,
    "c12": SubmissionUnknown,
}
STATUS = {"c09": 402, "c10": 500}


async def test_an_order_is_accepted_refused_or_unknown_in_every_spelling() -> None:
    for name, expected in ORDERS.items():
        found = await ordered(sample(name), STATUS.get(name, 200))
        assert (found if isinstance(found, str) else type(found)) == expected, (name, found)


async def test_an_unknown_order_keeps_the_providers_words() -> None:
    for name, words in (
        ("c07", "The model is not available"),
        ("c10", "duration is not within"),
        ("c12", "This field"),
    ):
        assert words in str(await ordered(sample(name), STATUS.get(name, 200)))


async def test_a_task_is_found_under_every_name_of_its_id() -> None:
    for data in (
        {"taskId": "t1"},
        {"task_id": "t1"},
        {"TaskID": "t1"},
        {"recordId": "t1"},
        {"jobId": "t1"},
        {"id": "t1"},
        {"task": {"id": "t1"}},
        {"data": {"taskId": " t1 "}},
        [{"taskId": "t1"}],
        "t1",
        json.dumps({"taskId": "t1"}),
    ):
        for envelope in ({"code": 200}, {"code": "200"}, {"code": 200.0}, {"code": 0}, {}, {"success": True}):
            assert await ordered({**envelope, "data": data}) == "t1", (envelope, data)
    assert await ordered({"code": 200, "taskId": "t1"}) == "t1"
    assert await ordered({"code": 200, "data": {"taskId": 1234567890123}}) == "1234567890123"
    assert await ordered({"code": 200, "data": 1234567890123}) == "1234567890123"
    assert await ordered({"code": 200, "data": {"taskId": "kling/2026/abc=="}}) == "kling/2026/abc=="
    assert (
        await ordered(b"\xef\xbb\xbf" + json.dumps({"code": 200, "msg": "a\tb", "data": {"taskId": "t1"}}).encode())
        == "t1"
    )


NO_IDS: list[object] = [None, "success", "Invalid parameter 7", "", {}, [], True, 0, -1, 1.5, float("nan"), "x" * 300]
NO_IDS += ["https://a/1"]
PAGES: list[object] = [HTML.encode(), b"", b"nope", {"message": "no"}, {"status": 404, "error": "Not Found"}, []]


async def test_what_is_no_id_is_none() -> None:
    for data in NO_IDS:
        found = await ordered({"code": 200, "msg": "success", "data": data})
        assert isinstance(found, SubmissionUnknown), data
        assert found.task_id is None, data
        found = await ordered({"code": 200, "msg": "success", "data": {"taskId": data}})
        assert isinstance(found, str) or found.task_id is None  # type: ignore[attr-defined]  # a text may be an id


async def test_a_task_that_an_unclear_answer_names_is_kept() -> None:
    for body, status in (
        ({"code": 500, "msg": "Server exception", "data": {"taskId": "t1"}}, 200),
        ({"code": 200, "msg": "success", "data": {"taskId": "t1"}}, 502),
        ({"code": 402, "msg": "Credits insufficient", "data": {"task_id": "t1"}}, 200),
        ({"code": 429, "msg": "slow down", "data": {"recordId": "t1"}}, 429),
        ({"code": "what?", "error": {"taskId": "t1"}}, 418),
        (b'{"code":200,"msg":"success","data":{"taskId":"t1"', 200),
        (b'<html>{"taskId": "t1"}</html>', 504),
    ):
        found = await ordered(body, status)
        assert isinstance(found, SubmissionUnknown), (body, found)
        assert found.task_id == "t1", body
        assert "t1" in str(found)
    cut = await ordered(b'{"code":200,"msg":"success","data":{"taskId":"t1', 200)
    assert isinstance(cut, SubmissionUnknown)
    assert cut.task_id is None  # half an id is none


async def test_only_kies_own_json_can_refuse_an_order() -> None:
    for status in (400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 429, 433, 451, 455, 501, 505):
        for body in PAGES:
            assert type(await ordered(body, status)) is SubmissionUnknown, (status, body)
        refused = await ordered({"code": status, "msg": "no", "data": None}, status)
        assert isinstance(refused, StudioError)
        assert not isinstance(refused, SubmissionUnknown), status


MEANT: list[tuple[int, str, type[StudioError]]] = [
    (422, "Your prompt violates the content policy", errors.ContentRefused),
    (400, "提示词包含敏感内容", errors.ContentRefused),
    (403, "Prompt is prohibited", errors.ContentRefused),
    (403, "IP not in whitelist", errors.Forbidden),
    (422, "failed to download media from the provided url", errors.StillUnreachable),
    (451, "", errors.StillUnreachable),
    (422, "Credits insufficient", errors.InsufficientCredits),
    (400, "余额不足, 请充值", errors.InsufficientCredits),
    (429, "account balance not enough", errors.InsufficientCredits),
    (429, "Your call frequency is too high. Please try again later.", errors.RateLimited),
    (400, "too many concurrent tasks", errors.RateLimited),
    (400, "system busy, please try again later", errors.Maintenance),
    (422, "aspect ratio is not supported", errors.RequestRefused),
    (422, "duration is required", errors.RequestRefused),
    (404, "no such model", errors.RequestRefused),
]


async def test_a_refused_order_is_sorted_by_what_its_words_mean() -> None:
    for code, words, kind in MEANT:
        found = await ordered({"code": code, "msg": words, "data": None})
        assert type(found) is kind, (code, words, found)


# ── the balance, links, uploads ──────────────────────────────────────────


async def test_a_balance_is_a_number_or_is_not_said_and_never_an_accident() -> None:
    for data, credits in (
        (1523.5, Decimal("1523.5")),
        ("1523.50", Decimal("1523.5")),
        (0, Decimal(0)),
        (-3, Decimal(-3)),
        ({"credits": "12"}, Decimal(12)),
        ({"account": {"balance": 12.000000001}}, Decimal(12)),
        (None, None),
        ("", None),
        ("lots", None),
        (float("nan"), None),
        (1e300, None),
        ([], None),
        (True, None),
    ):
        async with kie(telling({"code": 200, "msg": "success", "data": data})) as client:
            assert await client.credit() == credits, data


async def test_a_link_and_an_upload_are_found_in_every_shape_or_are_not_there() -> None:
    fresh = "https://x.example/fresh"
    shapes: list[object] = [fresh, {"url": fresh}, [fresh], json.dumps([fresh])]
    data: object
    for data in (*shapes, {"downloadUrl": fresh, "fileUrl": "https://x.example/b"}):
        async with kie(telling({"code": 200, "data": data})) as client:
            assert await client.download_url("https://x.example/old") == fresh
            assert await client.host(b"x", name="a.png", mime="image/png") == fresh
    nothing: list[object] = [None, "", "no", 7, {}, [], {"downloadUrl": None}, {"downloadUrl": "http://["}]
    for data in nothing:
        async with kie(telling({"code": 200, "data": data})) as client:
            for asking in (
                client.download_url("https://x.example/old"),
                client.host(b"x", name="a.png", mime="image/png"),
            ):
                with pytest.raises(errors.ProviderUnavailable):
                    await asking
