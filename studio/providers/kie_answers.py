"""KIE.ai's answers, read into values: https://docs.kie.ai/market/common/get-task-detail

Its answers differ by model family, age of the page and proxy on the way: keys and states in other spellings, JSON
inside text, numbers as text, results under other names. A finished task whose file is named anywhere is finished.
Only its own envelope, a JSON object with a `code`, counts as a refusal or as "not found".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from studio.errors import StudioError
from studio.providers import _foreign, _http, kie_refusals
from studio.providers._foreign import pick, spelling
from studio.providers.kie_models import MODELS

TaskState = Literal["running", "success", "fail"]

MOST_TIMES_THE_PRICE = 10
"""A bill beyond this many times the list price is not believed."""
LONGEST_URL = 8_192
LONGEST_TASK = 7 * 24 * 3600.0
"""Seconds; a longer time from start to end is a mistake."""
_CREDIT_PLACES = Decimal("0.000001")
LARGEST_BALANCE = Decimal(10) ** 12

_STATE_KEYS = ("state", "status", "taskstate", "taskstatus", "jobstate", "jobstatus")
_SUCCESS = frozenset(("success", "succeed", "succeeded", "successful", "complete", "completed", "done"))
_SUCCESS |= frozenset(("finish", "finished", "ready", "成功", "完成", "已完成", "生成成功"))
_FAIL = frozenset(("fail", "failed", "failure", "error", "errored", "rejected", "refused", "cancelled", "canceled"))
_FAIL |= frozenset(
    ("aborted", "terminated", "expired", "timeout", "timedout", "失败", "失敗", "生成失败", "已取消", "错误")
)
_FAIL_ENDINGS = ("failed", "failure", "error")  # GENERATE_FAILED, SENSITIVE_WORD_ERROR
_FLAGS: Mapping[int, TaskState] = {0: "running", 1: "success", 2: "fail", 3: "fail"}
"""`successFlag` of KIE.ai's older families."""

_ID_KEYS = ("taskid", "recordid", "jobid", "generationid", "taskuuid")
_LOOSE_ID_KEYS = ("uuid", "id")
_OTHER_ID_KEYS = ("requestid", "traceid", "orderid")
_ID_IN_TEXT = re.compile(
    r"""["'](?:task|record|job)_?id["']\s*:\s*(?:["']([^"'\\]{1,200})["']|(\d{1,30})(?=[,}\s]))""", re.IGNORECASE
)
_MESSAGE_KEYS = ("msg", "message", "errormessage", "errormsg", "error", "detail", "description")
_CREDIT_KEYS = tuple(
    "creditsconsumed consumecredits creditconsumed consumedcredits consumecredit creditsused usedcredits creditscost"
    " costcredits creditcost".split()
)
_BALANCE_KEYS = ("credits", "credit", "balance", "remainedcredits", "remainingcredits", "amount", "data")
_RESULT_KEYS = tuple(
    "resulturls resulturl videourls videourl videos video urls url downloadurls downloadurl fileurls fileurl"
    " originurls originurl works".split()
)
_ADDRESS_KEYS = ("downloadurl", "fileurl", "url")
_CONTAINERS = frozenset(("resultjson", "response", "info", "result", "results", "output", "outputs", "taskresult"))
_NO_RESULTS = re.compile(r"param|input|callback|webhook|hook|docs|help|log")
_PICTURES = re.compile(r"image|cover|thumb|frame|poster|avatar|preview|watermark")
_VIDEO_NAME = re.compile(r"\.(mp4|mov|webm|m4v|mkv)$", re.IGNORECASE)
_OTHER_NAME = re.compile(r"\.(png|jpe?g|webp|gif|json|html?|txt|srt|vtt|mp3|wav)$", re.IGNORECASE)
_QUOTED_URL = re.compile(r"""["'](https?://[^"'<>\\\s]{4,8000})["']""", re.IGNORECASE)


@dataclass(frozen=True)
class KieTask:
    """The state of a task at KIE.ai."""

    state: TaskState
    urls: tuple[str, ...] = ()
    credits: Decimal | None = None
    """What it cost: finite, not negative, at most ten times the list price, six places; None: unknown."""
    credits_unreadable: str = ""
    """What stood there instead of a number that can be believed: the bill is not known, and is no free clip."""
    seconds: float = 0.0
    """How long it took; 0 where that is not known."""
    failure: str = ""
    meaning: kie_refusals.Meaning = "other"
    """What a failure is about."""
    reference: str | None = None
    """Our id of the order, from the callback address that came back with the task; None when it has none."""

    def failed(self) -> StudioError:
        """Its failure as an error."""
        return kie_refusals.task_failure(self.meaning, self.failure)


class KieAnswer:
    """One answer of KIE.ai, or of a proxy before it."""

    def __init__(self, response: httpx.Response) -> None:
        text = _http.text_of(response)
        body = _foreign.json_of(text)
        self.status = response.status_code
        self.body: dict[str, Any] = body if isinstance(body, dict) else {}
        self.data = self.body.get("data")
        self.code = code_of(self.body)
        """The code of KIE.ai's own envelope; None: another shape, or another speaker."""
        self.message = message_of(self.body) if self.body else _foreign.quote(_foreign.plain(text))
        self._wait = _http.retry_after(response)
        self._ok = response.is_success
        self.task_id = task_id_in(self.body, accepted=self.good) or task_id_in_text(text)
        """The task the answer names, wherever it does."""

    @property
    def good(self) -> bool:
        """Accepted, by the status and by the code where there is one."""
        return self._ok and bool(self.body) and (self.code is None or self.code == 0 or 200 <= self.code < 300)

    @property
    def summary(self) -> str:
        """Code and message: `KIE.ai answered 500: Server exception`."""
        number = self.status if self.code is None else self.code
        others = [f"{key} {named}" for key in _OTHER_ID_KEYS if (named := _foreign.ident(self._other(key)))]
        return (
            f"KIE.ai answered {number}"
            + (f": {self.message}" if self.message else "")
            + "".join(f"; {o}" for o in others)
        )

    def refusal(self) -> StudioError | None:
        """The error of a clear refusal; None where it stays open whether anything was done."""
        return None if self.code is None else kie_refusals.refusal(self.code, self.message, self._wait)

    def _other(self, key: str) -> object:
        return pick(self.body, key) or (pick(self.data, key) if isinstance(self.data, dict) else None)


def code_of(body: Mapping[str, Any]) -> int | None:
    """The envelope's `code`, a number or its text; None when there is none."""
    number = _foreign.decimal(pick(body, "code"))
    return int(number) if number is not None and number == number.to_integral_value() and abs(number) < 10**6 else None


def message_of(body: Mapping[str, Any]) -> str:
    """The envelope's message, on one line."""
    found = pick(body, *_MESSAGE_KEYS)
    return _foreign.quote(_foreign.plain(_foreign.all_text(found))) if found is not None else ""


def task_id_in(body: Mapping[str, Any], *, accepted: bool) -> str | None:
    """The task an answer names, in `data` or beside it.

    In an answer that accepts an order the id may have any name, or be `data` itself.
    """
    data = body.get("data")
    if accepted and isinstance(data, (str, int, float)) and not _foreign.object_in(data):
        found = _foreign.ident(data)
        # A word is no id: `success`, `Invalid parameter`.
        if found and re.fullmatch(r"[^\s\[{]*\d\S*", found) and "://" not in found:
            return found
    for key in _ID_KEYS + (_LOOSE_ID_KEYS if accepted else ()):
        sources: list[object] = [data] if key in _LOOSE_ID_KEYS else [data, body]
        for place in (place for source in sources for place in _foreign.objects_in(source, but=_NO_RESULTS)):
            if found := _foreign.ident(pick(place, key)):
                return found
    return None


def task_id_in_text(text: str) -> str | None:
    """The task a text names that is no whole JSON: an answer that was cut off, or a page."""
    found = _ID_IN_TEXT.search(text[: _http.LARGEST_ANSWER])
    return _foreign.ident(found[1] or found[2]) if found else None


def record_of(answer: KieAnswer) -> dict[str, Any]:
    """The task's own object in an answer to a look: `data`, also as JSON text, or the body itself. Empty: none."""
    found = _foreign.object_in(answer.data)
    if not found and "data" not in answer.body and (_state_of(answer.body) or urls_of(answer.body)):
        return answer.body
    return found


def task_of(record: Mapping[str, Any]) -> KieTask:
    """A task, from its object. A state in no known word counts as running."""
    flat = _flat(record)
    param = _foreign.object_in(pick(flat, "param", "params"))
    credits, unreadable = credits_of(flat, param)
    urls = urls_of(record)
    failure, meaning = _failure_of(flat)
    state = _state_of(record)
    if state is None:  # no state at all: a file is there, or a reason why not
        state = "success" if urls else "fail" if failure else "running"
    return KieTask(
        state,
        urls=urls if state == "success" else (),
        credits=credits,
        credits_unreadable=unreadable,
        seconds=_seconds_of(flat),
        failure=failure if state == "fail" else "",
        meaning=meaning if state == "fail" else "other",
        reference=_reference_of(flat, param),
    )


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a task by their spelling, those of the objects inside it included; the outermost counts."""
    flat: dict[str, Any] = {}
    for place in _foreign.objects_in(record, but=_NO_RESULTS):
        for key, value in place.items():
            if value is not None and value != "":
                flat.setdefault(spelling(key), value)
    return flat


def _state_of(record: Mapping[str, Any]) -> TaskState | None:
    for place in _foreign.objects_in(record, but=_NO_RESULTS):
        word = pick(place, *_STATE_KEYS)
        if isinstance(word, str):
            return _state_named(spelling(word))
        flag = _foreign.count(pick(place, "successflag"))
        if flag is not None and flag in _FLAGS:
            return _FLAGS[flag]
    return None


def _state_named(word: str) -> TaskState:
    if word in _SUCCESS:
        return "success"
    return "fail" if word in _FAIL or word.endswith(_FAIL_ENDINGS) else "running"


def _failure_of(record: Mapping[str, Any]) -> tuple[str, kie_refusals.Meaning]:
    """Why a task failed, in its own text, and the meaning of that."""
    code = _foreign.all_text(pick(record, "failcode", "errorcode"))
    given = pick(record, "failmsg", "failmessage", "failreason", "taskstatusmsg", *_MESSAGE_KEYS)
    text = _foreign.plain(_foreign.all_text(given))
    number = _foreign.count(code) if len(code) < 8 else None
    return _foreign.quote(text.strip() or code), kie_refusals.meaning_of(
        f"{code} {text}"[: _foreign.LONGEST_TEXT], number
    )


def credits_of(record: Mapping[str, Any], param: Mapping[str, Any]) -> tuple[Decimal | None, str]:
    """What a task cost, in credits, and what stood there when that is not to be believed.

    Amounts are rounded to six places: a float's noise (42.00000000000001) is no other price.
    """
    given = pick(record, *_CREDIT_KEYS)
    if given is None or (isinstance(given, str) and not given.strip()):
        return None, ""
    text = (
        re.sub(r"\s*(credits?|积分|點數|点)\.?$", "", given.strip(), flags=re.IGNORECASE)
        if isinstance(given, str)
        else given
    )
    amount = _foreign.decimal(text)
    if amount is None or not 0 <= amount <= MOST_TIMES_THE_PRICE * _list_price(record, param):
        return None, _foreign.quote(given, most=60) or type(given).__name__
    return rounded(amount), ""


def rounded(amount: Decimal) -> Decimal:
    """An amount of at most a million million, without what lies behind the sixth place, and without zeros there."""
    fixed = format(amount.quantize(_CREDIT_PLACES), "f").rstrip("0").rstrip(".")
    return Decimal(fixed) + 0  # `-0` is 0


def balance_of(data: object) -> Decimal | None:
    """An account's balance in credits, given as a number, as text or in an object; None when it is not given."""
    for place in ({"data": data}, *_foreign.objects_in(data)):
        amount = _foreign.decimal(pick(place, *_BALANCE_KEYS))
        if amount is not None:
            return rounded(amount) if abs(amount) <= LARGEST_BALANCE else None
    return None


def _list_price(record: Mapping[str, Any], param: Mapping[str, Any]) -> int:
    """The list price in credits of what was ordered, or the highest it can be."""
    model = MODELS.get(str(pick(record, "model") or pick(param, "model"))[:200])
    if model is None:
        return max(price for known in MODELS.values() for price in known.credits.values())
    seconds = _foreign.count(pick(_foreign.object_in(pick(param, "input")), "duration"))
    return model.credits.get(seconds or 0, max(model.credits.values()))


def _seconds_of(record: Mapping[str, Any]) -> float:
    start = _moment(pick(record, "createtime", "createdat", "created", "starttime"))
    end = _moment(pick(record, "completetime", "completedat", "finishtime", "finishedat", "endtime"))
    if start is None or end is None:
        return 0.0
    return end - start if 0 < end - start <= LONGEST_TASK else 0.0


def _moment(value: object) -> float | None:
    """A point in time in seconds: given in seconds, milliseconds or microseconds, as number or text, or as ISO 8601."""
    number = _foreign.real(value)
    if number is not None:
        return next((number / unit for unit in (1, 1e3, 1e6) if 1e8 < number / unit < 1e11), None)
    try:
        moment = datetime.fromisoformat(value.strip()[:40]) if isinstance(value, str) else None
        return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _reference_of(record: Mapping[str, Any], param: Mapping[str, Any]) -> str | None:
    """The last part of the callback address's path: `param` repeats the order, the address included."""
    address = pick(param, "callbackurl") or pick(record, "callbackurl")
    try:
        path = urlsplit(address).path if isinstance(address, str) else ""
    except ValueError:
        return None
    return _foreign.ident(path.rpartition("/")[2])


def urls_of(record: object) -> tuple[str, ...]:
    """The addresses of a task's files, the likeliest first: clips under any key, other files where results are."""
    found: dict[str, int] = {}
    for path, leaf in _foreign.leaves_of(record):
        if isinstance(leaf, str):
            for url in _addresses(leaf):
                rank = _rank(path, url)
                if rank is not None:
                    found[url] = min(rank, found.get(url, rank))
    return tuple(sorted(found, key=lambda url: found[url]))


def address_of(data: object) -> str | None:
    """The address in an answer that is about one file: as the text itself, or in an object."""
    found: list[tuple[int, str]] = []
    for path, leaf in _foreign.leaves_of(data):
        if isinstance(leaf, str):
            rank = next((_ADDRESS_KEYS.index(key) for key in path if key in _ADDRESS_KEYS), len(_ADDRESS_KEYS))
            found += [(rank, url) for url in _addresses(leaf)]
    return min(found, key=lambda ranked: ranked[0])[1] if found else None


def _rank(path: tuple[str, ...], url: str) -> int | None:
    """How likely an address is the clip's: 0 is best, None is none."""
    if any(_NO_RESULTS.search(key) for key in path):
        return None
    name = urlsplit(url).path
    known = next((_RESULT_KEYS.index(key) for key in reversed(path) if key in _RESULT_KEYS), None)
    if any(_PICTURES.search(key) for key in path):
        return 100 if _VIDEO_NAME.search(name) else None
    if _OTHER_NAME.search(name):
        return 200 if known is not None else None
    if known is not None:
        return known
    return 50 if _VIDEO_NAME.search(name) or _CONTAINERS.intersection(path) else None


def _addresses(text: str) -> Iterator[str]:
    """The web addresses a text consists of: one, several, or those quoted in what was meant to be JSON."""
    text = _foreign.clean(text[: 16 * LONGEST_URL]).strip()
    if text.startswith(("{", "[")):
        parts = _QUOTED_URL.findall(text)
    else:
        parts = re.split(r"[\s,;|]+(?=https?://)", text, flags=re.IGNORECASE)
    for part in parts:
        address = f"https:{part}" if part.startswith("//") else part
        if re.match(r"https?://", address, re.IGNORECASE) and len(address) <= LONGEST_URL and _has_host(address):
            yield address


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
