"""The catbox.moe client against a simulated catbox.moe, over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from simulators.catbox import CatboxConfig, CatboxSimulator
from studio.errors import Forbidden, ProviderError, ProviderUnavailable, RequestRefused
from studio.providers.catbox import open_catbox

PNG = b"\x89PNG\r\n\r\n--picture"
HASH = "sim-userhash"


@pytest.fixture
async def catbox() -> AsyncIterator[CatboxSimulator]:
    async with CatboxSimulator(CatboxConfig(slow_seconds=0.3)) as simulator:
        yield simulator
        assert simulator.state()["problems"] == []


async def host(catbox: CatboxSimulator, *, userhash: str = "", name: str = "still.png") -> str:
    async with open_catbox(url=catbox.api_url, userhash=userhash) as client:
        return await client.host(PNG, name=name, mime="image/png")


async def test_an_upload_has_an_address_that_leads_to_its_bytes(catbox: CatboxSimulator) -> None:
    address = await host(catbox)
    assert address.startswith(catbox.files_url)
    assert address.endswith(".png")
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(address)).content == PNG


async def test_every_upload_has_an_address_of_its_own(catbox: CatboxSimulator) -> None:
    assert await host(catbox) != await host(catbox)


async def test_an_upload_belongs_to_the_account_when_there_is_one(catbox: CatboxSimulator) -> None:
    await host(catbox)
    await host(catbox, userhash=HASH)
    assert [file.userhash for file in catbox.files] == [False, True]


async def test_a_slow_upload_is_waited_for(catbox: CatboxSimulator) -> None:
    catbox.configure(mode="slow")
    assert (await host(catbox)).startswith(catbox.files_url)


async def test_an_address_that_vanishes_later_is_an_address(catbox: CatboxSimulator) -> None:
    """Nobody can know; Kling will say that it could not fetch the still."""
    catbox.configure(mode="vanishing")
    assert (await host(catbox)).startswith(catbox.files_url)


@pytest.mark.parametrize("mode", ["paused", "datacentre"])
async def test_where_catbox_refuses_us_it_says_so_and_names_the_way_out(catbox: CatboxSimulator, mode: str) -> None:
    catbox.configure(mode=mode)
    with pytest.raises(Forbidden, match=r"Set STILL_HOST=kie: \w+") as refusal:
        await host(catbox)
    assert not refusal.value.retryable
    assert catbox.files == []


async def test_an_account_is_let_in_where_strangers_are_not(catbox: CatboxSimulator) -> None:
    catbox.configure(mode="datacentre")
    assert (await host(catbox, userhash=HASH)).startswith(catbox.files_url)


async def test_a_wrong_account_is_refused_and_never_shown(catbox: CatboxSimulator) -> None:
    with pytest.raises(Forbidden, match="Invalid userhash"):
        await host(catbox, userhash="wrong-hash-7F")
    repeated = {"http": 412, "text": "userhash wrong-hash-7F is not known"}
    catbox.script("api", [repeated])
    with pytest.raises(Forbidden) as refusal:
        await host(catbox, userhash="wrong-hash-7F")
    assert "userhash [hidden] is not known" in str(refusal.value)


async def test_a_file_catbox_bans_is_refused_for_good(catbox: CatboxSimulator) -> None:
    with pytest.raises(Forbidden):
        await host(catbox, name="still.exe")


async def test_a_file_that_is_too_large_is_refused_for_good(catbox: CatboxSimulator) -> None:
    catbox.configure(file_limit=4)
    with pytest.raises(RequestRefused, match=r"\(413\): File is too large"):
        await host(catbox)


async def test_words_in_the_place_of_an_address_are_a_refusal(catbox: CatboxSimulator) -> None:
    catbox.configure(mode="error_text")
    with pytest.raises(RequestRefused, match="Something went wrong while storing your file"):
        await host(catbox)


WORTH_ANOTHER_TRY: list[Any] = [
    {"http": 500},
    {"http": 503},
    {"http": 504},
    {"html": 502},
    "zero_bytes",
    "truncated_body",
    "reset_before",
    "reset_after",
]


@pytest.mark.parametrize("fault", WORTH_ANOTHER_TRY, ids=str)
async def test_an_overloaded_catbox_is_worth_another_try(catbox: CatboxSimulator, fault: object) -> None:
    catbox.script("api", [fault])
    await unavailable(catbox)
    assert (await host(catbox)).startswith(catbox.files_url)


@pytest.mark.parametrize("mode", ["empty", "gateway_timeout"])
async def test_no_address_is_worth_another_try(catbox: CatboxSimulator, mode: str) -> None:
    catbox.configure(mode=mode)
    await unavailable(catbox)


async def test_a_catbox_that_is_down_is_worth_another_try(catbox: CatboxSimulator) -> None:
    await catbox.refuse_connections("api")
    await unavailable(catbox)


async def unavailable(catbox: CatboxSimulator) -> None:
    with pytest.raises(ProviderError) as refusal:
        await host(catbox)
    assert type(refusal.value) is ProviderUnavailable


async def test_half_an_address_is_an_address_nobody_can_tell_from_a_whole_one(catbox: CatboxSimulator) -> None:
    """The answer is plain text with a fitting length; Kling will say that it could not fetch the still."""
    catbox.script("api", ["invalid_json"])
    assert (await host(catbox)).startswith("http://")
