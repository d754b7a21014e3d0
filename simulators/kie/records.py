"""What recordInfo and a callback say about a task, in all the variants seen in the wild."""

import base64
import hashlib
import hmac
import json
from typing import Any

from simulators.kie.config import Callbacks, KieConfig
from simulators.kie.tasks import Task

OLD_TIMESTAMP = 3_600
FORGED_URL = "https://forged.example/not-the-clip.mp4"


def record(task: Task, now: float, config: KieConfig, url: str | None) -> dict[str, Any]:
    """The `data` of recordInfo."""
    state = task.state(now)
    data: dict[str, Any] = {
        "taskId": task.task_id,
        "model": task.model,
        "state": task.order.word if task.order.word and task.finished is None else config.words.get(state, state),
        "param": json.dumps(task.body, ensure_ascii=False),
        "resultJson": config.unfinished_result,
        "failCode": _fail_code(task, config),
        "failMsg": task.fail_msg or "",
        "costTime": _cost_time(task, config),
        "createTime": _ms(task.created),
        "updateTime": _ms(task.updated(now)),
        "completeTime": _ms(task.finished) if task.finished is not None else None,
    }
    if state == "success":
        data.update(_result(task.order.result or config.result, url))
    if config.credits_consumed != "absent":
        told = task.finished is not None and config.credits_consumed == "present"
        data["creditsConsumed"] = _plain(task.cost) if told else None
    return data


def callback(task: Task, now: float, settings: Callbacks, url: str | None, balance: float) -> dict[str, Any]:
    """The body posted to callBackUrl."""
    good = task.success and settings.body != "fail"
    data: dict[str, Any] = {
        "taskId": task.task_id,
        "state": "success" if good else "fail",
        "model": task.model,
        "param": json.dumps(task.body, ensure_ascii=False),
        "resultJson": json.dumps({"resultUrls": [url]}) if good else None,
        "failCode": None if good else task.fail_code or "500",
        "failMsg": None if good else task.fail_msg or "Internal Error, Please try again later.",
        "costTime": round(now - task.created),
        "createTime": _ms(task.created),
        "updateTime": _ms(now),
        "completeTime": _ms(task.finished) if task.finished is not None else None,
        "consumeCredits": _plain(task.cost) if good else _plain(0.0 if task.success else task.cost),
        "remainedCredits": _plain(balance),
    }
    if settings.body == "stale":
        data.update(state="generating", resultJson="", failCode=None, failMsg=None, completeTime=None)
    if settings.signature == "tampered":
        data["resultJson"] = json.dumps({"resultUrls": [FORGED_URL]})
    return _enveloped(task, data, settings, good or settings.body == "stale")


def signed(task_id: str, now: float, settings: Callbacks) -> dict[str, str]:
    """The signature headers. They cover the task id and the time, never the body."""
    if settings.signature == "none":
        return {}
    timestamp = str(int(now) - (OLD_TIMESTAMP if settings.signature == "old" else 0))
    key = "not-" + settings.key if settings.signature == "bad" else settings.key
    return {"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": signature(key, task_id, timestamp)}


def signature(key: str, task_id: str, timestamp: str) -> str:
    digest = hmac.new(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _enveloped(task: Task, data: dict[str, Any], settings: Callbacks, good: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "code": 200 if good else 501,
        "msg": "Playground task completed successfully." if good else "Playground task failed.",
        "data": data,
    }
    if settings.id_style != "taskId":
        del data["taskId"]
        if settings.id_style == "task_id":
            data["task_id"] = task.task_id
        else:
            body["taskId"] = task.task_id
    return body


def _result(variant: str, url: str | None) -> dict[str, Any]:
    told = json.dumps({"resultUrls": [url]})
    match variant:
        case "null":
            return {"resultJson": None}
        case "empty":
            return {"resultJson": ""}
        case "malformed":
            return {"resultJson": told[: len(told) // 2]}
        case "no_urls":
            return {"resultJson": json.dumps({"resultUrls": []})}
        case "response":
            return {"resultJson": "", "response": {"resultUrls": [url]}}
    return {"resultJson": told}


def _fail_code(task: Task, config: KieConfig) -> str | None:
    if config.fail_code_style == "null":
        return None
    return task.fail_code or "" if config.fail_code_style == "string" else ""


def _cost_time(task: Task, config: KieConfig) -> int | None:
    if task.finished is None:
        return None
    return round((task.finished - task.created) * (1000 if config.cost_time == "ms" else 1))


def _ms(moment: float) -> int:
    return round(moment * 1000)


def _plain(credits: float) -> int | float:
    """84 rather than 84.0, but 12.5 where there is a fraction."""
    return int(credits) if credits == int(credits) else credits
