"""createTask, uploads, the balance and fresh links in other spellings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulators.faults import Fault, Kind
from simulators.kie.look_variants import CREDITS, shown
from simulators.kie.wire_variants import data_of, in_bytes, in_data, in_envelope, on_the_wire, pages, spoiled
from simulators.variants import Changed, Variant, unchanged
from simulators.wire import Answer, json_answer


def _said(status: int, code: Any, msg: str) -> Callable[[Answer], Changed]:
    return lambda answer: unchanged(json_answer({"code": code, "msg": msg, "data": None}, status))


def accepted(answer: Answer) -> bool:
    """An order that was taken."""
    return "taskId" in data_of(answer)


def _identified(name: str) -> Callable[[Answer], Changed]:
    return in_data(lambda data: {name: data["taskId"]})


_TAKEN = (
    Variant("code_text", in_envelope(lambda held: {**held, "code": "200"}), accepted),
    Variant("code_absent", in_envelope(lambda held: {"msg": held["msg"], "data": held["data"]}), accepted),
    Variant("message_key", in_envelope(lambda held: {"message": held.pop("msg"), **held}), accepted),
    Variant("id_record", _identified("recordId"), accepted),
    Variant("id_snake", _identified("task_id"), accepted),
    Variant("id_plain", _identified("id"), accepted),
    Variant("id_is_data", in_data(lambda data: data["taskId"]), accepted),
    Variant("id_at_root", in_envelope(lambda held: {"code": 200, "taskId": held["data"]["taskId"]}), accepted),
    Variant("id_in_list", in_data(lambda data: [data]), accepted),
    Variant("id_missing", in_data(lambda data: {}), accepted),
    Variant("data_null", in_data(lambda data: None), accepted),
    Variant("code_500_with_id", in_envelope(lambda held: {**held, "code": 500, "msg": "Internal error"}), accepted),
    Variant("code_422_with_id", in_envelope(lambda held: {**held, "code": 422, "msg": "duplicate"}), accepted),
    Variant("code_500_although_taken", _said(200, 500, "Server exception, please try again later"), accepted),
    Variant("created_201", lambda answer: unchanged(json_answer(_object(answer), 201)), accepted),
)


def _object(answer: Answer) -> dict[str, Any]:
    return {"code": 200, "msg": "success", "data": dict(data_of(answer))}


_NOT_TAKEN = (
    # Refusals in other spellings: nothing was created, and the answer says so.
    Variant("rate_code_text", _said(200, "429", "Your call frequency is too high"), acts=False),
    Variant("rate_http_200", _said(200, 429, "Your call frequency is too high"), acts=False),
    Variant("rate_430", _said(430, 430, "Your call frequency is too high"), acts=False, dealt=False),
    Variant("maintenance_text", _said(200, "455", "The service is currently being maintained"), acts=False),
    # These say no for good: an operator has to act.
    Variant("refused_401", _said(200, 401, "You do not have access permissions"), acts=False, dealt=False),
    Variant("refused_401_text", _said(200, "401", "You do not have access permissions"), acts=False, dealt=False),
    Variant("refused_402_text", _said(200, "402", "Credits insufficient"), acts=False, dealt=False),
    Variant(
        "refused_402_http",
        _said(402, 402, "Credits insufficient : The current credits balance is insufficient"),
        acts=False,
        dealt=False,
    ),
    Variant(
        "refused_422_size", _said(200, 422, "image_url file size exceeds the limit of 10MB"), acts=False, dealt=False
    ),
    Variant("refused_model", _said(200, 200, "The model is not available"), acts=False, dealt=False),
    Variant(
        "refused_500_duration",
        _said(500, 500, "duration is not within the range of allowed options"),
        acts=False,
        dealt=False,
    ),
    Variant("refused_500_field", _said(200, 500, "This field is required"), acts=False, dealt=False),
    # Nothing was created, and nothing says so.
    Variant("reset_before", on_the_wire(Fault(kind=Kind.RESET)), acts=False),
    *pages(acts=False),
)

ORDERS: tuple[Variant, ...] = (*_TAKEN, *_NOT_TAKEN, *pages(), *spoiled(accepted))


def hosted(answer: Answer) -> bool:
    """An upload that was taken."""
    return "downloadUrl" in data_of(answer)


UPLOADS: tuple[Variant, ...] = (
    Variant("address_file_url", in_data(lambda data: {"fileUrl": data["downloadUrl"]}), hosted),
    Variant("address_missing", in_data(lambda data: {}), hosted),
    Variant("address_is_data", in_data(lambda data: data["downloadUrl"]), hosted),
    Variant("data_null", in_data(lambda data: None), hosted),
    Variant("data_list", in_data(lambda data: [data]), hosted),
    Variant("code_text", in_envelope(lambda held: {**held, "code": "200"}), hosted),
    Variant("server_500", _said(500, 500, "Upload failed"), hosted),
    Variant("busy_429", _said(429, 429, "Too many requests"), hosted),
    *pages(),
    *spoiled(hosted),
)


def told(answer: Answer) -> bool:
    """A balance."""
    return answer.code is None and b'"data":' in answer.body


BALANCES: tuple[Variant, ...] = (
    *(
        Variant(f"balance_{name}", in_data(change), told)
        for name, change in CREDITS.items()
        if name not in ("negative", "enormous", "true")
    ),
    # Lies about the whole account: dealt by scripts only, since a real balance may be below zero.
    *(
        Variant(f"balance_{name}", in_data(CREDITS[name]), told, dealt=False)
        for name in ("negative", "enormous", "true")
    ),
    Variant("code_text", in_envelope(lambda held: {**held, "code": "200"}), told),
    Variant("busy_429", _said(429, 429, "Too many requests"), told),
    *pages(),
    *spoiled(told),
)

CALLBACKS: tuple[Variant, ...] = (
    Variant("byte_order_mark", in_bytes(lambda body: b"\xef\xbb\xbf" + body)),
    Variant("raw_tab", in_bytes(lambda body: body.replace(b'"Playground task', b'"Playground\ttask'))),
    Variant("id_snake", in_data(lambda data: {"task_id": data.pop("taskId"), **data}), shown),
    Variant("id_at_root", in_envelope(lambda held: {"taskId": held["data"].pop("taskId"), **held}), shown),
    Variant("result_in_info", in_data(lambda data: {"taskId": data["taskId"], "info": {"resultUrls": "[]"}}), shown),
    Variant("code_text", in_envelope(lambda held: {**held, "code": str(held["code"])})),
    Variant("type_text", lambda answer: unchanged(replace(answer, content_type="text/plain"))),
    Variant("state_upper_case", in_data(lambda data: {**data, "state": str(data["state"]).upper()}), shown),
    Variant("credits_nan", in_data(lambda data: {**data, "consumeCredits": float("nan")}), shown),
)
"""Bodies of callbacks: each names its task."""

LINKS: tuple[Variant, ...] = (
    Variant("link_object", in_data(lambda url: {"url": url}), told),
    Variant("link_list", in_data(lambda url: [url]), told),
    Variant("link_null", in_data(lambda url: None), told),
    Variant("code_text", in_envelope(lambda held: {**held, "code": "200"}), told),
    *pages(),
    *spoiled(told),
)
