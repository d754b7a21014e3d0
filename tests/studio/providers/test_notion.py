"""The Notion client against a simulated Notion, over real HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from simulators.notion import NotionSimulator
from simulators.notion_pages import select_property, status_property
from studio import errors
from studio.errors import ProviderError
from studio.providers.notion import PropertyKind, open_notion

TOKEN = "sim-token"


@pytest.fixture
async def notion() -> AsyncIterator[NotionSimulator]:
    async with NotionSimulator() as simulator:
        yield simulator
        assert simulator.state()["problems"] == []


@pytest.fixture
def page(notion: NotionSimulator) -> str:
    return notion.add_page()


async def tell(
    notion: NotionSimulator,
    page: str,
    status: str = "Video Ready",
    *,
    token: str = TOKEN,
    name: str = "Status",
    kind: PropertyKind = "status",
) -> None:
    async with open_notion(token=token, url=notion.api_url, property_name=name, kind=kind) as client:
        await client.set_status(page, status)


async def refusal(notion: NotionSimulator, page: str, **how: Any) -> ProviderError:
    with pytest.raises(ProviderError) as refused:
        await tell(notion, page, **how)
    return refused.value


async def test_a_status_is_set_and_saying_it_twice_changes_nothing(notion: NotionSimulator, page: str) -> None:
    await tell(notion, page)
    await tell(notion, page)
    assert notion.value(page, "Status") == "Video Ready"


async def test_a_page_is_known_with_and_without_dashes(notion: NotionSimulator, page: str) -> None:
    await tell(notion, page.replace("-", ""))
    assert notion.value(page, "Status") == "Video Ready"


async def test_a_select_of_any_name_is_set_and_learns_new_words(notion: NotionSimulator) -> None:
    page = notion.add_page(properties={"Phase": select_property("Queued"), "Status": status_property("Video Ready")})
    await tell(notion, page, "Video Error", name="Phase", kind="select")
    assert notion.value(page, "Phase") == "Video Error"
    assert notion.value(page, "Status") is None


async def test_the_wrong_kind_and_the_wrong_name_are_said(notion: NotionSimulator, page: str) -> None:
    wrong_kind = await refusal(notion, page, kind="select")
    assert type(wrong_kind) is errors.RequestRefused
    assert str(wrong_kind) == "Notion refused the status (400): Status is expected to be status."
    wrong_name = await refusal(notion, page, name="Stand")
    assert str(wrong_name) == "Notion refused the status (400): Stand is not a property that exists."


async def test_a_word_the_page_does_not_know_is_said(notion: NotionSimulator, page: str) -> None:
    unknown = await refusal(notion, page, status="Cancelled")
    assert type(unknown) is errors.RequestRefused
    assert '"Cancelled"' in str(unknown)


async def test_a_page_that_is_not_shared_is_refused_with_the_reason(notion: NotionSimulator) -> None:
    hidden = await refusal(notion, notion.add_page(shared=False))
    assert type(hidden) is errors.RequestRefused
    assert "no such page, or it is not shared with the integration" in str(hidden)


async def test_a_bad_token_is_said_in_words_that_help_and_never_shown(notion: NotionSimulator, page: str) -> None:
    bad = await refusal(notion, page, token="wrong-token-7F")
    assert type(bad) is errors.AuthenticationError
    assert str(bad) == "Notion authentication failed - Check NOTION_TOKEN"
    notion.script("patchPage", [{"http": 403, "msg": "Bearer wrong-token-7F may not do this"}])
    assert "Bearer [hidden] may not do this" in str(await refusal(notion, page, token="wrong-token-7F"))


REFUSALS: list[tuple[int, str, type[ProviderError], bool]] = [
    (400, "invalid_json", errors.RequestRefused, False),
    (400, "invalid_request_url", errors.RequestRefused, False),
    (400, "invalid_request", errors.RequestRefused, False),
    (400, "validation_error", errors.RequestRefused, False),
    (400, "missing_version", errors.RequestRefused, False),
    (400, "invalid_grant", errors.RequestRefused, False),
    (401, "unauthorized", errors.AuthenticationError, False),
    (403, "restricted_resource", errors.Forbidden, False),
    (404, "object_not_found", errors.RequestRefused, False),
    (409, "conflict_error", errors.ProviderUnavailable, True),
    (429, "rate_limited", errors.RateLimited, True),
    (500, "internal_server_error", errors.ProviderUnavailable, True),
    (502, "bad_gateway", errors.ProviderUnavailable, True),
    (503, "service_unavailable", errors.ProviderUnavailable, True),
    (503, "database_connection_unavailable", errors.ProviderUnavailable, True),
    (504, "gateway_timeout", errors.ProviderUnavailable, True),
    (529, "service_overload", errors.RateLimited, True),
]


@pytest.mark.parametrize(("status", "code", "kind", "again"), REFUSALS)
async def test_every_refusal_has_its_error(
    notion: NotionSimulator, page: str, status: int, code: str, kind: type[ProviderError], again: bool
) -> None:
    notion.script("patchPage", [{"http": status, "code": code}])
    refused = await refusal(notion, page)
    assert type(refused) is kind
    assert refused.retryable is again
    assert notion.value(page, "Status") == "Not started"


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_notions_own_wait_is_obeyed(notion: NotionSimulator, page: str, status: int) -> None:
    notion.script("patchPage", [{"http": status, "headers": {"Retry-After": "17"}}])
    assert (await refusal(notion, page)).retry_after == timedelta(seconds=17)


async def test_above_the_limit_notion_says_how_long_to_wait(notion: NotionSimulator, page: str) -> None:
    notion.configure(policy="window", window_limit=1, window_seconds=40)
    await tell(notion, page)
    limited = await refusal(notion, page)
    assert type(limited) is errors.RateLimited
    assert limited.retry_after is not None
    assert timedelta(seconds=30) < limited.retry_after <= timedelta(seconds=40)


WORTH_ANOTHER_TRY: list[Any] = [
    {"html": 502},
    {"http": 504, "text": ""},
    "reset_before",
    "reset_after",
    "truncated_body",
]


@pytest.mark.parametrize("fault", WORTH_ANOTHER_TRY, ids=str)
async def test_an_unclear_answer_is_worth_another_try(notion: NotionSimulator, page: str, fault: object) -> None:
    """Setting a status twice is harmless."""
    notion.script("patchPage", [fault])
    assert type(await refusal(notion, page)) is errors.ProviderUnavailable
    await tell(notion, page)
    assert notion.value(page, "Status") == "Video Ready"


@pytest.mark.parametrize("fault", ["zero_bytes", "invalid_json", {"slow_headers": 0.2}, {"slow_body": 0.2}], ids=str)
async def test_the_status_of_the_answer_counts_and_not_its_body(
    notion: NotionSimulator, page: str, fault: object
) -> None:
    notion.script("patchPage", [fault])
    await tell(notion, page)
    assert notion.value(page, "Status") == "Video Ready"


async def test_a_notion_that_is_down_is_worth_another_try(notion: NotionSimulator, page: str) -> None:
    await notion.refuse_connections("api")
    assert type(await refusal(notion, page)) is errors.ProviderUnavailable
