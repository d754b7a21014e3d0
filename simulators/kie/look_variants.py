"""recordInfo in other spellings: the same truth about a task, as services of this kind have been seen to tell it.

Some of them say nothing at all (a page, a cut-off answer, "no such task" for a task that exists). None says that a
healthy task has failed: that would be another truth.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from simulators.kie.wire_variants import as_text, data_of, in_bytes, in_data, in_envelope, pages, spoiled
from simulators.variants import Changed, Variant, unchanged
from simulators.wire import Answer, json_answer

Data = dict[str, Any]

DONE_WORDS = {
    "upper_case": "SUCCESS",
    "title_case": "Success",
    "succeed": "succeed",
    "succeeded": "succeeded",
    "completed": "completed",
    "completed_upper_case": "COMPLETED",
    "done": "done",
    "with_spaces": " success ",
}
FAILED_WORDS = {"upper_case": "FAIL", "failed": "failed", "error": "error", "failed_title_case": "Failed"}
RUNNING_WORDS = {
    "queueing": "queueing",
    "upper_case": "GENERATING",
    "processing": "processing",
    "unheard_of": "warming_up",
    "empty": "",
    "null": None,
}
CREDITS: dict[str, Any] = {
    "text": lambda credits: str(credits),
    "text_with_fraction": lambda credits: f"{credits:.2f}",
    "empty": lambda credits: "",
    "null": lambda credits: None,
    "float_noise": lambda credits: credits + credits * 1.7e-16 + 1.5e-14,
    "nan": lambda credits: float("nan"),
    "infinity": lambda credits: float("inf"),
    "nan_text": lambda credits: "NaN",
    "negative": lambda credits: -2000,
    "enormous": lambda credits: 1e30,
    "true": lambda credits: True,
    "list": lambda credits: [credits],
    "words": lambda credits: f"{credits} credits",
}
"""creditsConsumed as told; what the account was charged stays as it was."""


def finished(answer: Answer) -> bool:
    """A task that has delivered."""
    return data_of(answer).get("state") == "success"


def failed(answer: Answer) -> bool:
    """A task that has failed."""
    return data_of(answer).get("state") == "fail"


def running(answer: Answer) -> bool:
    """A task that is being worked on."""
    return data_of(answer).get("state") in ("waiting", "queuing", "generating")


def shown(answer: Answer) -> bool:
    """Any task."""
    return "state" in data_of(answer)


def billed(answer: Answer) -> bool:
    """A delivered task whose bill is told."""
    return finished(answer) and bool(data_of(answer).get("creditsConsumed"))


def _set(**fields: Any) -> Callable[[Answer], Changed]:
    return in_data(lambda data: {**data, **fields})


def _renamed(old: str, new: str) -> Callable[[Answer], Changed]:
    return in_data(lambda data: {new if name == old else name: value for name, value in data.items()})


def _words() -> tuple[Variant, ...]:
    return (
        *(Variant(f"done_{name}", _set(state=word), finished) for name, word in DONE_WORDS.items()),
        *(Variant(f"failed_{name}", _set(state=word), failed) for name, word in FAILED_WORDS.items()),
        *(Variant(f"running_{name}", _set(state=word), running) for name, word in RUNNING_WORDS.items()),
        Variant("status_key", _renamed("state", "status"), shown),
        Variant(
            "status_key_completed",
            in_data(lambda data: {k: v for k, v in data.items() if k != "state"} | {"status": "completed"}),
            finished,
        ),
        # An example of KIE.ai's own documentation; the next look tells the end.
        Variant("result_while_waiting", _set(state="waiting", completeTime=None), finished),
        Variant("state_is_object", _set(state={"name": "generating"}), running),
    )


def _url(data: Data) -> str:
    told: str = json.loads(data["resultJson"])["resultUrls"][0]
    return told


def _placed(place: Callable[[str], Data]) -> Callable[[Answer], Changed]:
    return in_data(lambda data: {**data, **place(_url(data))})


def _raw_control(character: str) -> Callable[[Answer], Changed]:
    """A control character that is not escaped inside a JSON text. JSON forbids that; services do it."""

    def changed(body: bytes) -> bytes:
        return body.replace(b'"msg":"success"', f'"msg":"suc{character}cess"'.encode())

    return in_bytes(changed)


def _results() -> tuple[Variant, ...]:
    places: dict[str, Callable[[str], Data]] = {
        "object": lambda url: {"resultJson": {"resultUrls": [url]}},
        "urls_as_json_text": lambda url: {"resultJson": json.dumps({"resultUrls": json.dumps([url])})},
        "urls_one_text": lambda url: {"resultJson": json.dumps({"resultUrls": url})},
        "urls_as_objects": lambda url: {"resultJson": json.dumps({"resultUrls": [{"url": url}]})},
        "list": lambda url: {"resultJson": json.dumps([url])},
        "text_twice": lambda url: {"resultJson": json.dumps(json.dumps({"resultUrls": [url]}))},
        "video_url": lambda url: {"resultJson": json.dumps({"videoUrl": url})},
        "video_url_snake": lambda url: {"resultJson": json.dumps({"video_url": url})},
        "result_urls_snake": lambda url: {"resultJson": json.dumps({"result_urls": [url]})},
        "origin_urls": lambda url: {"resultJson": json.dumps({"origin_urls": [url]})},
        "nested": lambda url: {"resultJson": json.dumps({"output": {"videos": [{"resource": {"url": url}}]}})},
        "with_newline": lambda url: {"resultJson": f'{{"resultUrls":["{url}"],"note":"line one\nline two"}}'},
        "with_tab": lambda url: {"resultJson": f'{{"resultUrls":\t["{url}"],"note":"a\tb"}}'},
        "in_info": lambda url: {"resultJson": "", "info": {"resultUrls": [url]}},
        "in_response": lambda url: {"resultJson": "", "response": {"resultUrls": [url]}},
        "in_response_text": lambda url: {"resultJson": None, "response": json.dumps({"resultUrls": [url]})},
        "in_data": lambda url: {"resultJson": None, "resultUrls": [url]},
        "in_data_video_url": lambda url: {"resultJson": "", "videoUrl": url},
    }
    return (
        *(Variant(f"result_{name}", _placed(place), finished) for name, place in places.items()),
        # These name no file; the next look does.
        Variant("result_missing", _set(resultJson=json.dumps({"resultUrls": []})), finished),
        Variant("result_null", _set(resultJson=None), finished),
        Variant("result_cut", in_data(lambda data: {**data, "resultJson": data["resultJson"][:20]}), finished),
    )


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat().replace("+00:00", "Z")


def _timed(tell: Callable[[int], Any]) -> Callable[[Answer], Changed]:
    names = ("createTime", "updateTime", "completeTime")
    return in_data(lambda data: {**data, **{name: tell(data[name]) for name in names if data.get(name)}})


def _billed(tell: Callable[[Any], Any]) -> Callable[[Answer], Changed]:
    return in_data(lambda data: {**data, "creditsConsumed": tell(data["creditsConsumed"])})


def _fields() -> tuple[Variant, ...]:
    return (
        *(Variant(f"credits_{name}", _billed(tell), billed) for name, tell in CREDITS.items()),
        Variant("credits_absent", in_data(lambda d: {k: v for k, v in d.items() if k != "creditsConsumed"}), billed),
        Variant("times_as_text", _timed(str), shown),
        Variant("times_as_iso", _timed(_iso), shown),
        Variant("times_in_seconds", _timed(lambda value: value / 1_000), shown),
        Variant("times_as_words", _timed(lambda value: "a moment ago"), shown),
        Variant("times_nan", _timed(lambda value: float("nan")), shown),
        Variant("times_enormous", _timed(lambda value: 10**40), shown),
        Variant("end_before_beginning", _set(completeTime=1), finished),
        Variant("cost_time_object", _set(costTime={"ms": 142_000}), finished),
        Variant("id_snake", _renamed("taskId", "task_id"), shown),
        Variant("id_record", _renamed("taskId", "recordId"), shown),
        Variant("id_absent", in_data(lambda d: {k: v for k, v in d.items() if k != "taskId"}), shown),
        Variant("param_null", _set(param=None), shown),
        Variant("param_no_json", _set(param="{model: kling"), shown),
        Variant("param_list", _set(param="[1,2]"), shown),
        Variant("param_bad_address", _set(param=json.dumps({"callBackUrl": "http://["})), shown),
        Variant("param_address_number", _set(param=json.dumps({"callBackUrl": 7})), shown),
        Variant("message_object", _set(failMsg={"code": None, "message": "\x00"}), shown),
        Variant("fail_code_number", _set(failCode=500), failed),
        Variant("fail_code_list", _set(failCode=["500"]), failed),
        Variant("fail_message_in_object", in_data(lambda d: {**d, "failMsg": {"message": d["failMsg"]}}), failed),
        Variant("fail_message_number", _set(failMsg=1301), failed),
    )


def _missing(status: int, code: Any, msg: str) -> Callable[[Answer], Changed]:
    return lambda answer: unchanged(json_answer({"code": code, "msg": msg, "data": None}, status))


def _absence() -> tuple[Variant, ...]:
    """ "No such task" of a task that exists."""
    return (
        Variant("absent_404", _missing(200, 404, "task not found"), shown),
        Variant("absent_http_404", _missing(404, 404, "task not found"), shown),
        Variant("absent_422", _missing(200, 422, "recordInfo is null"), shown),
        Variant("absent_http_422", _missing(422, 422, "recordInfo is null"), shown),
        Variant("absent_code_text", _missing(200, "422", "recordInfo is null"), shown),
        Variant("absent_data_null", in_data(lambda data: None), shown),
        Variant("absent_data_empty", in_data(lambda data: {}), shown),
        Variant("absent_data_list", in_data(lambda data: []), shown),
        Variant("busy_429", _missing(429, 429, "Your call frequency is too high"), shown),
        Variant("busy_code_429", _missing(200, 429, "Your call frequency is too high"), shown),
        Variant("server_500", _missing(200, 500, "Server exception, please try again later"), shown),
        Variant("maintenance_455", _missing(200, 455, "The service is currently being maintained"), shown),
        Variant("timeout_408", _missing(408, 408, "timeout"), shown),
    )


def _envelopes() -> tuple[Variant, ...]:
    return (
        Variant("code_text", in_envelope(lambda held: {**held, "code": "200"}), shown),
        Variant("code_fraction", in_envelope(lambda held: {**held, "code": 200.0}), shown),
        Variant("code_absent", in_envelope(lambda held: {k: v for k, v in held.items() if k != "code"}), shown),
        Variant("message_key", in_envelope(lambda held: {"message": held.pop("msg"), **held}), shown),
        Variant("data_in_list", in_data(lambda data: [data]), shown),
        Variant("data_as_text", in_data(lambda data: json.dumps(data)), shown),
        Variant("bare_data", in_envelope(lambda held: held["data"]), shown),
        Variant("envelope_in_list", in_envelope(lambda held: [held]), shown),
        Variant("raw_tab", _raw_control("\t"), shown),
        Variant("raw_newline", _raw_control("\n"), shown),
        Variant("twice", in_bytes(lambda body: body + body), shown),
        Variant("just_null", in_bytes(lambda body: as_text(None)), shown),
    )


LOOKS: tuple[Variant, ...] = (
    *_words(),
    *_results(),
    *_fields(),
    *_absence(),
    *_envelopes(),
    *pages(),
    *spoiled(shown),
)
