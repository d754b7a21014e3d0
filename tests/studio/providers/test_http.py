"""What every provider's client shares: failed exchanges, Retry-After, and words that may be repeated."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from simulators.notion import NotionSimulator
from studio.errors import ProviderUnavailable
from studio.providers import _foreign, _http
from tests.simulators.callers import serve

KEY = "sk-PLANTED-4f9a1c"


def test_clients_check_the_names_of_hosts_with_certificates_that_are_read_once() -> None:
    assert (_http.tls().verify_mode, _http.tls().check_hostname) == (ssl.CERT_REQUIRED, True)
    assert _http.tls() is _http.tls()


def told_to_wait(text: str) -> timedelta | None:
    return _http.retry_after(httpx.Response(429, headers={"Retry-After": text}))


def test_seconds_are_waited_for() -> None:
    assert told_to_wait("7") == timedelta(seconds=7)
    assert told_to_wait(" 0 ") == timedelta(0)
    assert told_to_wait("2.5") == timedelta(seconds=2.5)


def test_a_date_is_waited_for() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    wait = told_to_wait(format_datetime(soon, usegmt=True))
    assert wait is not None
    assert timedelta(seconds=90) < wait <= timedelta(seconds=100)


def test_nobody_waits_for_the_past_or_for_hours() -> None:
    assert told_to_wait("-3") == told_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == timedelta(0)
    assert told_to_wait("86400") == told_to_wait("Wed, 21 Oct 2099 07:28:00 GMT") == timedelta(minutes=5)
    long = httpx.Response(429, headers={"Retry-After": "60"})
    assert _http.retry_after(long, longest=timedelta(seconds=20)) == timedelta(seconds=20)


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "0x10", "Wed, 99 Oct 2099", "Wed, 21 Oct 2099 07:28:00 -0000", "7 s"]
)
def test_nonsense_is_no_wait(text: str) -> None:
    assert told_to_wait(text) is None


def test_no_header_is_no_wait() -> None:
    assert _http.retry_after(httpx.Response(429)) is None


@pytest.mark.parametrize("text", ["1e20", "9" * 40, "inf", "-inf", "nan", "1e400"])
def test_a_number_without_measure_is_bounded_too(text: str) -> None:
    wait = told_to_wait(text)
    assert wait is None or timedelta(0) <= wait <= timedelta(minutes=5)


# ── words ────────────────────────────────────────────────────────────────


def test_a_providers_words_fit_on_one_short_line() -> None:
    assert _foreign.quote("  first\n\tsecond   third ") == "first second third"
    assert _foreign.quote(422) == "422"
    assert _foreign.quote("x" * 300) == "x" * 300
    assert _foreign.quote("x" * 301) == "x" * 299 + "…"


@given(st.text())
def test_a_quote_is_never_long_and_never_has_a_second_line(text: str) -> None:
    line = _foreign.quote(text)
    assert len(line) <= _foreign.LONGEST_QUOTE
    assert line.splitlines() in ([], [line])


@pytest.mark.parametrize(
    ("value", "found"),
    [({"a": 1}, {"a": 1}), ('{"a": 1}', {"a": 1}), ("[1]", {}), ("{", {}), ("", {}), (None, {}), (7, {}), ([1], {})],
    ids=str,
)
def test_json_may_come_as_a_string_and_is_an_object_or_nothing(value: object, found: dict[str, int]) -> None:
    assert _foreign.object_in(value) == found


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """A service that complains by repeating what it was sent."""

    async def complain(request: web.Request) -> web.Response:
        return web.json_response({"message": f"bad headers: {dict(request.headers)}"}, status=400)

    app = web.Application()
    app.router.add_get("/", complain)
    async with AsyncExitStack() as stack:
        yield await serve(stack, app)


@pytest.mark.parametrize("scheme", ["Bearer ", ""])
async def test_our_own_key_is_taken_out_of_what_a_service_repeats(echo: str, scheme: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"{scheme}{KEY}"}) as http:
        answer = await _http.exchange(http, "GET", echo, service="Echo")
    assert KEY in answer.text
    assert KEY not in _http.text_of(answer)
    told = _http.json_object(answer)
    assert told is not None
    assert f"{scheme}[hidden]" in told["message"]


async def test_without_a_key_a_text_stays_as_it_is(echo: str) -> None:
    async with httpx.AsyncClient() as http:
        answer = await _http.exchange(http, "GET", echo, service="Echo")
    assert _http.text_of(answer) == answer.text


@pytest.mark.parametrize("text", ["", "{", "[1]", '"words"', "null", "<html>"])
def test_what_is_no_json_object_is_none(text: str) -> None:
    answer = httpx.Response(200, text=text, request=httpx.Request("GET", "http://x"))
    assert _http.json_object(answer) is None


# ── can the other side have acted? ───────────────────────────────────────


@pytest.fixture
async def service() -> AsyncIterator[NotionSimulator]:
    """Any service that can be told to misbehave."""
    async with NotionSimulator() as simulator:
        yield simulator


async def ask(url: str, patience: float = 60) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(60, read=patience)) as http:
        return await _http.exchange(http, "PATCH", "/v1/pages/x", service="The service", json={})


async def test_a_whole_answer_of_any_status_is_an_answer(service: NotionSimulator) -> None:
    assert (await ask(service.api_url)).status_code == 401


async def test_what_was_never_sent_is_harmless(service: NotionSimulator) -> None:
    await service.refuse_connections("api")
    with pytest.raises(ProviderUnavailable, match=r"The service cannot be reached \(ConnectError\)"):
        await ask(service.api_url)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "hang", "hang_after", "truncated_body"])
async def test_what_was_on_its_way_may_have_been_done(service: NotionSimulator, fault: str) -> None:
    service.script("patchPage", [fault])
    with pytest.raises(_http.AnswerLost, match=r"The service did not answer \(\w+\)"):
        await ask(service.api_url, patience=0.5 if fault.startswith("hang") else 60)
