"""The KIE.ai client against a simulated KIE.ai, over real HTTP."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from simulators.kie import KieSimulator
from studio import errors
from studio.errors import ProviderError, StudioError, SubmissionUnknown
from studio.providers.kie import KieClient, open_kie
from studio.providers.kie_models import MODELS, kling_model
from tests.studio_at_work import eventually

MODEL = "kling/v2-5-turbo-image-to-video-pro"
IMAGE = "https://assets.example.org/still.png"


@pytest.fixture
async def client(kie: KieSimulator) -> AsyncIterator[KieClient]:
    kie.configure(duration=(3900, 3950))  # more than a minute on its fast clock: nothing is done before a test says so
    async with open_kie(key="sim-key", api_url=kie.api_url, upload_url=kie.upload_url) as opened:
        yield opened


async def order(client: KieClient, **fields: object) -> str:
    given: dict[str, object] = {"model": MODEL, "prompt": "Haunter floats.", "image_url": IMAGE, "seconds": 5}
    return await client.create_task(**(given | fields))  # type: ignore[arg-type]  # the fields of the call


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seconds", [5, 10])
async def test_every_listed_model_is_accepted_and_costs_what_the_table_says(
    client: KieClient, kie: KieSimulator, model: str, seconds: int
) -> None:
    await order(client, model=model, seconds=seconds)
    task = kie.ledger_json()["tasks"][0]
    assert Decimal(str(task["price"])) == kling_model(model).credits[seconds]
    assert kie.ledger.refused == []


async def test_a_model_that_is_not_listed_is_never_ordered(client: KieClient, kie: KieSimulator) -> None:
    with pytest.raises(errors.InvalidRequest, match="is not one of"):
        await order(client, model="kling/v9")
    assert kie.ledger.accepted == 0


async def test_a_task_is_looked_at_until_it_is_done_and_says_what_it_cost(client: KieClient, kie: KieSimulator) -> None:
    task_id = await order(client, seconds=10)
    assert (await client.record_info(task_id)).state == "running"
    kie.advance(4000)
    task = await eventually(lambda: client.record_info(task_id), lambda t: t.state == "success")
    assert task.credits == 84
    assert task.urls[0].startswith(kie.files_url)
    assert task.seconds > 0


@pytest.mark.parametrize("variant", ["string", "response"])
async def test_results_are_found_in_every_place_kie_puts_them(
    client: KieClient, kie: KieSimulator, variant: str
) -> None:
    kie.configure(result=variant)
    task_id = await order(client)
    kie.advance(4000)
    task = await eventually(lambda: client.record_info(task_id), lambda t: t.state == "success")
    assert len(task.urls) == 1


@pytest.mark.parametrize("variant", ["null", "empty", "malformed", "no_urls"])
async def test_a_result_without_an_address_is_no_address(client: KieClient, kie: KieSimulator, variant: str) -> None:
    kie.configure(result=variant)
    task_id = await order(client)
    kie.advance(4000)
    task = await eventually(lambda: client.record_info(task_id), lambda t: t.state == "success")
    assert task.urls == ()


async def test_states_nobody_documented_count_as_running(client: KieClient, kie: KieSimulator) -> None:
    kie.configure(words={"generating": "queueing", "waiting": "processing", "queuing": "polishing"})
    task_id = await order(client)
    assert (await client.record_info(task_id)).state == "running"


@pytest.mark.parametrize(
    ("message", "kind"),
    [("content_policy", errors.ContentRefused), ("internal", errors.GenerationFailed)],
)
async def test_a_failed_task_says_why(
    client: KieClient, kie: KieSimulator, message: str, kind: type[StudioError]
) -> None:
    kie.order(match="Haunter", fail=message)
    task_id = await order(client)
    kie.advance(4000)
    task = await eventually(lambda: client.record_info(task_id), lambda t: t.state == "fail")
    assert type(task.failed()) is kind
    assert task.credits == 0


REFUSALS: list[tuple[int, type[StudioError]]] = [
    (400, errors.RequestRefused),
    (401, errors.AuthenticationError),
    (402, errors.InsufficientCredits),
    (403, errors.Forbidden),
    (404, errors.RequestRefused),
    (422, errors.RequestRefused),
    (429, errors.RateLimited),
    (433, errors.SpendingCapReached),
    (451, errors.StillUnreachable),
    (455, errors.Maintenance),
    (505, errors.RequestRefused),
]
UNCLEAR: list[object] = [
    {"http": 500},
    {"http": 502, "text": ""},
    {"http": 503, "text": "upstream"},
    {"html": 502},
    {"body_code": 500, "msg": "Server exception"},
    {"body_code": 408},
    "accept_then_reset",
    "invalid_json",
    "zero_bytes",
    "truncated_body",
]


@pytest.mark.parametrize(("code", "kind"), REFUSALS)
@pytest.mark.parametrize("as_http", [False, True], ids=["in the body", "as status"])
async def test_every_clear_refusal_of_an_order_has_its_error_and_creates_nothing(
    client: KieClient, kie: KieSimulator, code: int, kind: type[StudioError], as_http: bool
) -> None:
    kie.script("createTask", [{"http": code} if as_http else {"body_code": code}])
    with pytest.raises(ProviderError) as refusal:
        await order(client)
    assert type(refusal.value) is kind
    assert kie.ledger.accepted == 0


@pytest.mark.parametrize("fault", UNCLEAR, ids=str)
async def test_an_unclear_answer_to_an_order_is_never_taken_for_a_refusal(
    client: KieClient, kie: KieSimulator, fault: object
) -> None:
    kie.script("createTask", [fault])
    with pytest.raises(SubmissionUnknown):
        await order(client)


async def test_an_order_that_never_left_may_be_sent_again(client: KieClient, kie: KieSimulator) -> None:
    await kie.refuse_connections("api")
    with pytest.raises(errors.ProviderUnavailable):
        await order(client)
    await kie.accept_connections("api")
    await order(client)
    assert kie.ledger.accepted == 1


async def test_a_page_of_a_proxy_forbids_nothing(client: KieClient, kie: KieSimulator) -> None:
    """One that stays is tried again until the step's deadline, and then said."""
    for route, ask in (
        ("credit", client.credit),
        ("uploadStream", lambda: client.host(b"x", name="x", mime="image/png")),
    ):
        for status in (400, 401, 403, 404):
            kie.script(route, [{"html": status}])
            with pytest.raises(errors.ProviderUnavailable, match=str(status)):
                await ask()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 429])
async def test_a_page_of_a_proxy_refuses_no_order(client: KieClient, kie: KieSimulator, status: int) -> None:
    kie.script("createTask", [{"html": status}])
    with pytest.raises(SubmissionUnknown):
        await order(client)


@pytest.mark.parametrize(
    "fault", [{"http": 500}, {"body_code": 500}, {"html": 502}, "accept_then_reset", "invalid_json"]
)
async def test_an_unclear_look_is_only_a_failed_look(client: KieClient, kie: KieSimulator, fault: object) -> None:
    task_id = await order(client)
    kie.script("recordInfo", [fault])
    with pytest.raises(errors.ProviderUnavailable):
        await client.record_info(task_id)
    assert (await client.record_info(task_id)).state == "running"


@pytest.mark.parametrize("code", [404, 422])
async def test_a_task_kie_does_not_know_is_lost(client: KieClient, kie: KieSimulator, code: int) -> None:
    kie.configure(unknown_task_code=code)
    with pytest.raises(errors.TaskLost):
        await client.record_info("never-heard-of")


async def test_a_rate_limit_waits_for_a_whole_window(client: KieClient, kie: KieSimulator) -> None:
    kie.script("createTask", [{"http": 429}, {"http": 429, "headers": {"Retry-After": "31"}}])
    waits = []
    for _ in range(2):
        with pytest.raises(errors.RateLimited) as refusal:
            await order(client)
        assert refusal.value.retry_after is not None
        waits.append(refusal.value.retry_after.total_seconds())
    assert waits == [10, 31]


@pytest.mark.parametrize("shape", ["current", "quickstart"])
async def test_an_upload_is_repeated_without_harm_and_can_be_fetched(
    client: KieClient, kie: KieSimulator, shape: str
) -> None:
    kie.configure(upload_shape=shape)
    first = await client.host(b"picture", name="abc.png", mime="image/png")
    again = await client.host(b"picture", name="abc.png", mime="image/png")
    assert first == again


async def test_the_balance_may_be_fractional(client: KieClient, kie: KieSimulator) -> None:
    kie.configure(credits=1523.5)
    assert await client.credit() == Decimal("1523.5")


async def test_a_fresh_link_leads_to_the_same_file(client: KieClient, kie: KieSimulator) -> None:
    task_id = await order(client)
    kie.advance(4000)
    task = await eventually(lambda: client.record_info(task_id), lambda t: t.state == "success")
    assert (await client.download_url(task.urls[0])).startswith(kie.files_url)
    with pytest.raises(errors.RequestRefused):
        await client.download_url("https://elsewhere.example.org/x.mp4")


async def test_a_bad_key_is_said_in_words_that_help_and_never_shown(kie: KieSimulator) -> None:
    async with open_kie(key="wrong-key-7F", api_url=kie.api_url, upload_url=kie.upload_url) as client:
        with pytest.raises(errors.AuthenticationError) as refusal:
            await client.credit()
    assert str(refusal.value) == "KIE.ai authentication failed - Check KIE_API_KEY"
