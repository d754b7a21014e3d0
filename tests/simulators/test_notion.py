"""Notion: typed properties, an error object, limits that name their wait, and a history."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from simulators.notion import NotionConfig, NotionSimulator
from simulators.notion_pages import select_property, status_property

HEADERS = {"Authorization": "Bearer sim-token", "Notion-Version": "2026-03-11"}


@pytest.fixture
async def notion(stack: Any) -> AsyncIterator[NotionSimulator]:
    yield await stack.enter_async_context(NotionSimulator(NotionConfig()))


@pytest.fixture
async def api(notion: NotionSimulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=notion.api_url, headers=HEADERS, timeout=60, verify=False) as client:
        yield client


def status(name: str | None, kind: str = "status", key: str = "Status") -> dict[str, Any]:
    return {"properties": {key: {kind: None if name is None else {"name": name}}}}


async def patch(api: httpx.AsyncClient, page: str, body: dict[str, Any]) -> httpx.Response:
    return await api.patch(f"/v1/pages/{page}", json=body)


def error_of(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body["object"] == "error"
    assert body["status"] == response.status_code
    assert body["request_id"]
    assert body["message"]
    return response.status_code, body["code"]


# ── doors ────────────────────────────────────────────────────────────────


async def test_a_token_and_a_known_version_are_required(notion: NotionSimulator, http: httpx.AsyncClient) -> None:
    url = f"{notion.api_url}/v1/pages/{notion.add_page()}"
    for headers, expected in [
        ({}, (401, "unauthorized")),
        ({**HEADERS, "Authorization": "Bearer wrong"}, (401, "unauthorized")),
        ({"Authorization": "Bearer sim-token"}, (400, "missing_version")),
        ({**HEADERS, "Notion-Version": "1999-01-01"}, (400, "invalid_request")),
    ]:
        assert error_of(await http.get(url, headers=headers)) == expected
    for version in ("2022-06-28", "2025-09-03", "2026-03-11"):
        assert (await http.get(url, headers={**HEADERS, "Notion-Version": version})).status_code == 200


async def test_a_page_that_is_missing_or_not_shared_is_not_found(
    notion: NotionSimulator, api: httpx.AsyncClient
) -> None:
    hidden = notion.add_page(shared=False)
    for page in (hidden, "00000000-0000-4000-8000-000000000000"):
        assert error_of(await api.get(f"/v1/pages/{page}")) == (404, "object_not_found")
        assert error_of(await patch(api, page, status("Video Ready"))) == (404, "object_not_found")


async def test_an_unknown_path_is_refused_in_notions_words(api: httpx.AsyncClient) -> None:
    assert error_of(await api.get("/v1/nowhere")) == (404, "object_not_found")


# ── properties ───────────────────────────────────────────────────────────


async def test_a_status_is_set_and_the_page_tells_it(notion: NotionSimulator, api: httpx.AsyncClient) -> None:
    page = notion.add_page()
    changed = (await patch(api, page, status("Video Ready"))).json()
    read = (await api.get(f"/v1/pages/{page.replace('-', '')}")).json()
    for told in (changed, read):
        assert (told["object"], told["id"]) == ("page", page)
        assert told["properties"]["Status"]["type"] == "status"
        assert told["properties"]["Status"]["status"]["name"] == "Video Ready"
        assert {"url", "last_edited_time", "parent"} <= told.keys()
    assert notion.value(page, "Status") == "Video Ready"


async def test_a_property_is_known_by_its_id_and_an_option_by_its_own(
    notion: NotionSimulator, api: httpx.AsyncClient
) -> None:
    page = notion.add_page()
    told = (await patch(api, page, status("Video Ready"))).json()["properties"]["Status"]
    await patch(api, page, status("Video Error"))
    by_id = {"properties": {told["id"]: {"status": {"id": told["status"]["id"]}}}}
    assert (await patch(api, page, by_id)).status_code == 200
    assert notion.value(page, "Status") == "Video Ready"
    assert (await patch(api, page, status(None))).status_code == 200
    assert notion.value(page, "Status") is None


async def test_a_select_makes_its_options_as_it_goes_and_a_status_does_not(
    notion: NotionSimulator, api: httpx.AsyncClient
) -> None:
    page = notion.add_page(properties={"Status": status_property("Video Ready"), "Phase": select_property("A")})
    assert (await patch(api, page, status("brand new", "select", "Phase"))).status_code == 200
    assert notion.value(page, "Phase") == "brand new"
    unknown = await patch(api, page, status("brand new"))
    assert error_of(unknown) == (400, "validation_error")
    assert 'Status option "brand new" does not exist' in unknown.json()["message"]


async def test_the_wrong_kind_or_an_unknown_property_is_refused_and_nothing_changes(
    notion: NotionSimulator, api: httpx.AsyncClient
) -> None:
    page = notion.add_page(properties={"Status": status_property("Video Ready"), "Phase": select_property("A")})
    wrong = await patch(api, page, status("Video Ready", "select"))
    assert error_of(wrong) == (400, "validation_error")
    assert wrong.json()["message"] == "Status is expected to be status."
    assert (
        "Phase is expected to be select" in (await patch(api, page, status("A", "status", "Phase"))).json()["message"]
    )
    unknown = await patch(api, page, status("Video Ready", key="State"))
    assert unknown.json()["message"] == "State is not a property that exists."
    both = {"properties": {**status("B", "select", "Phase")["properties"], **status("no such")["properties"]}}
    assert (await patch(api, page, both)).status_code == 400
    assert notion.value(page, "Phase") is None
    broken = await api.patch(f"/v1/pages/{page}", content=b"{")
    assert error_of(broken) == (400, "invalid_json")
    large = await patch(api, page, {"properties": {}, "x": "x" * 500_001})
    assert error_of(large) == (400, "validation_error")


async def test_options_of_the_in_progress_group_can_be_rejected(
    notion: NotionSimulator, api: httpx.AsyncClient
) -> None:
    page = notion.add_page()
    assert (await patch(api, page, status("Processing"))).status_code == 200
    notion.configure(reject_in_progress=True)
    assert error_of(await patch(api, page, status("Processing"))) == (400, "validation_error")
    assert (await patch(api, page, status("Video Ready"))).status_code == 200


async def test_the_schema_tells_kinds_options_and_groups(notion: NotionSimulator, api: httpx.AsyncClient) -> None:
    page = notion.add_page()
    source = (await api.get(f"/v1/pages/{page}")).json()["parent"]["data_source_id"]
    for path, kind in (("data_sources", "data_source"), ("databases", "database")):
        schema = (await api.get(f"/v1/{path}/{source}")).json()
        assert schema["object"] == kind
        told = schema["properties"]["Status"]
        assert told["type"] == "status"
        names = {option["id"]: option["name"] for option in told["status"]["options"]}
        groups = {group["id"]: [names[option] for option in group["option_ids"]] for group in told["status"]["groups"]}
        assert groups["in_progress"] == ["Processing"]
        assert "Video Ready" in groups["complete"]
    assert (await api.get("/v1/databases/none")).status_code == 404


# ── limits ───────────────────────────────────────────────────────────────


async def test_three_requests_a_second_with_a_burst(notion: NotionSimulator, api: httpx.AsyncClient) -> None:
    page = notion.add_page()
    codes = [(await api.get(f"/v1/pages/{page}")).status_code for _ in range(16)]
    assert codes[:10] == [200] * 10
    limited = await api.get(f"/v1/pages/{page}")
    assert codes[-1] == limited.status_code == 429
    assert error_of(limited) == (429, "rate_limited")
    assert limited.headers["retry-after"] == "1"
    assert limited.json()["additional_data"] == {"rate_limit_reason": "connection"}
    notion.advance(1)
    codes = [(await api.get(f"/v1/pages/{page}")).status_code for _ in range(5)]
    assert codes.count(200) in (3, 4)


async def test_a_budget_per_minute_names_the_wait_and_each_token_has_its_own(stack: Any) -> None:
    config = NotionConfig(policy="window", window_limit=5, tokens=("a", "b"))
    notion = await stack.enter_async_context(NotionSimulator(config))
    url = f"{notion.api_url}/v1/pages/{notion.add_page()}"
    async with httpx.AsyncClient(timeout=60, verify=False) as http:
        one, other = ({**HEADERS, "Authorization": f"Bearer {token}"} for token in "ab")
        codes = [(await http.get(url, headers=one)).status_code for _ in range(6)]
        assert codes == [200] * 5 + [429]
        wait = int((await http.get(url, headers=one)).headers["retry-after"])
        assert 55 <= wait <= 60
        assert (await http.get(url, headers=other)).status_code == 200
        notion.advance(wait)
        assert (await http.get(url, headers=one)).status_code == 200


async def test_the_workspace_has_a_limit_over_all_tokens_that_may_take_longer(stack: Any) -> None:
    config = NotionConfig(policy="off", workspace_limit=3, tokens=("a", "b"))
    notion = await stack.enter_async_context(NotionSimulator(config))
    url = f"{notion.api_url}/v1/pages/{notion.add_page()}"
    async with httpx.AsyncClient(timeout=60, verify=False) as http:
        one, other = ({**HEADERS, "Authorization": f"Bearer {token}"} for token in "ab")
        codes = [(await http.get(url, headers=headers)).status_code for headers in (one, other, one, other)]
        assert codes == [200, 200, 200, 429]
        limited = await http.get(url, headers=one)
        assert int(limited.headers["retry-after"]) > 60
        assert limited.json()["additional_data"]["rate_limit_reason"] == "workspace"


# ── faults ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (403, "restricted_resource"),
        (409, "conflict_error"),
        (429, "rate_limited"),
        (500, "internal_server_error"),
        (503, "service_unavailable"),
        (529, "service_overload"),
    ],
)
async def test_faults_come_as_notions_error_object(
    notion: NotionSimulator, api: httpx.AsyncClient, code: int, word: str
) -> None:
    page = notion.add_page()
    notion.script("patchPage", [{"http": code}])
    refused = await patch(api, page, status("Video Ready"))
    assert error_of(refused) == (code, word)
    assert ("retry-after" in refused.headers) is (code in (429, 529))
    assert notion.history(page, "Status") == []
    assert (await patch(api, page, status("Video Ready"))).status_code == 200


async def test_a_529_says_how_long_and_a_503_has_two_reasons(notion: NotionSimulator, api: httpx.AsyncClient) -> None:
    page = notion.add_page()
    unavailable = {"http": 503, "code": "database_connection_unavailable"}
    notion.script("getPage", [{"http": 529, "headers": {"Retry-After": "17"}}, unavailable])
    assert (await api.get(f"/v1/pages/{page}")).headers["retry-after"] == "17"
    assert error_of(await api.get(f"/v1/pages/{page}")) == (503, "database_connection_unavailable")


async def test_a_bad_gateway_is_a_page_and_a_gateway_timeout_may_have_applied_the_patch(
    notion: NotionSimulator, api: httpx.AsyncClient
) -> None:
    page = notion.add_page()
    notion.script("patchPage", [{"html": 502}, {"http": 504, "after": True}])
    bad = await patch(api, page, status("Processing"))
    assert (bad.status_code, bad.headers["content-type"].startswith("text/html")) == (502, True)
    assert notion.history(page, "Status") == []
    assert error_of(await patch(api, page, status("Processing"))) == (504, "gateway_timeout")
    assert [change.value for change in notion.history(page, "Status")] == ["Processing"]
    assert (await patch(api, page, status("Processing"))).status_code == 200  # again does no harm
    assert notion.value(page, "Status") == "Processing"


# ── history ──────────────────────────────────────────────────────────────


async def test_every_value_is_kept_with_its_time(notion: NotionSimulator, api: httpx.AsyncClient) -> None:
    page = notion.add_page()
    for name in ("Queued", "Processing", "Video Ready"):
        await patch(api, page, status(name))
        notion.advance(10)
    changes = notion.history(page, "Status")
    assert [change.value for change in changes] == ["Queued", "Processing", "Video Ready"]
    assert [round(later.virtual - earlier.virtual) for earlier, later in pairwise(changes)] == [10, 10]
    assert changes[-1].wall - changes[0].wall < 5


async def test_pages_are_added_and_read_back_over_the_admin_door(
    notion: NotionSimulator, api: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    wanted = {
        "page_id": "video-1",
        "properties": {"Phase": {"type": "select", "options": {"A": "to_do"}, "value": "A"}},
    }
    told = (await http.post(f"{notion.admin_url}/__sim/pages", json=wanted)).json()
    assert told == {"page_id": "video-1"}
    await patch(api, "video-1", status("B", "select", "Phase"))
    ledger = (await http.get(f"{notion.admin_url}/__sim/ledger")).json()
    assert ledger["counters"] == {"reads": 0, "patches": 1, "refused": 0}
    assert ledger["pages"]["video-1"]["values"] == {"Phase": "B"}
    assert [change["value"] for change in ledger["pages"]["video-1"]["history"]["Phase"]] == ["B"]
    refused = await http.post(f"{notion.admin_url}/__sim/pages", json={"pages": 1})
    assert refused.status_code == 400


async def test_a_reset_leaves_the_pages_of_the_configuration(stack: Any) -> None:
    config = NotionConfig.model_validate({"pages": [{"page_id": "video-1"}]})
    notion = await stack.enter_async_context(NotionSimulator(config))
    notion.add_page("video-2")
    async with httpx.AsyncClient(base_url=notion.api_url, headers=HEADERS, timeout=60, verify=False) as api:
        assert (await patch(api, "video-1", status("Video Ready"))).status_code == 200
        notion.reset()
        assert notion.history("video-1", "Status") == []
        assert (await api.get("/v1/pages/video-1")).status_code == 200
        assert (await api.get("/v1/pages/video-2")).status_code == 404
