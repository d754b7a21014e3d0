"""catbox and litterbox: every mood of the hosts, and how long files stay."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from simulators.catbox import CatboxConfig, CatboxSimulator
from tests.simulators.callers import Stills, impatient, png

HASH: dict[str, Any] = {"userhash": "sim-userhash"}


@pytest.fixture
async def catbox(stack: Any) -> AsyncIterator[CatboxSimulator]:
    yield await stack.enter_async_context(CatboxSimulator(CatboxConfig()))


async def upload(
    catbox: CatboxSimulator, http: httpx.AsyncClient, data: bytes = b"", name: str = "clip07.png", **fields: Any
) -> httpx.Response:
    form = {"reqtype": "fileupload", **fields}
    files = {"fileToUpload": (name, data or png(), "image/png")}
    return await http.post(f"{catbox.api_url}/user/api.php", data=form, files=files)


async def litter(catbox: CatboxSimulator, http: httpx.AsyncClient, data: bytes = b"", **fields: Any) -> httpx.Response:
    form = {"reqtype": "fileupload", **fields}
    files = {"fileToUpload": ("clip07.png", data or png(), "image/png")}
    return await http.post(f"{catbox.api_url}/resources/internals/api.php", data=form, files=files)


# ── uploads ──────────────────────────────────────────────────────────────


async def test_an_upload_answers_with_a_plain_url_of_six_characters(
    catbox: CatboxSimulator, http: httpx.AsyncClient
) -> None:
    response = await upload(catbox, http)
    assert response.headers["content-type"].startswith("text/plain")
    url = response.text
    name = url.removeprefix(f"{catbox.files_url}/")
    assert (len(name), name.endswith(".png")) == (10, True)
    assert name[:6].isalnum()
    assert name == name.lower()
    served = await http.get(url)
    assert (served.content, served.headers["content-type"]) == (png(), "image/png")
    assert catbox.counters() == {"uploads": 1, "deleted": 0, "downloads": 1}
    assert not catbox.files[0].userhash


async def test_each_upload_gets_a_name_of_its_own(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    assert len({(await upload(catbox, http)).text for _ in range(5)}) == 5


async def test_files_are_served_by_range_and_head_tells_no_length(
    catbox: CatboxSimulator, http: httpx.AsyncClient
) -> None:
    url = (await upload(catbox, http)).text
    part = await http.get(url, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"\x89PNG")
    head = await http.head(url)
    assert (head.status_code, head.headers["content-length"], head.headers["accept-ranges"]) == (200, "0", "bytes")


async def test_a_request_without_a_type_is_refused_with_412(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    url = f"{catbox.api_url}/user/api.php"
    wrong_kind = await http.post(url, json={"reqtype": "fileupload"})
    assert (wrong_kind.status_code, wrong_kind.text) == (412, "No request type given.")
    assert (await http.post(url, data={"x": "y"}, files={"z": b""})).text == "No request type given."
    assert (await upload(catbox, http, reqtype="dance")).status_code == 412
    assert (await http.post(url, data={"reqtype": "fileupload"}, files={"z": b""})).text == "No files were given."
    assert catbox.counters()["uploads"] == 0
    assert [refusal.code for refusal in catbox.refusals] == [412] * 4


async def test_data_centres_need_a_userhash(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    catbox.configure(mode="datacentre")
    anonymous = await upload(catbox, http)
    assert (anonymous.status_code, "userhash" in anonymous.text) == (412, True)
    assert (await upload(catbox, http, **HASH)).text.startswith(catbox.files_url)
    assert catbox.files[0].userhash
    assert (await upload(catbox, http, userhash="")).status_code == 412
    assert (await upload(catbox, http, userhash="wrong")).status_code == 412


async def test_a_pause_refuses_everybody(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    catbox.configure(mode="paused")
    assert [(await upload(catbox, http)).status_code, (await upload(catbox, http, **HASH)).status_code] == [412, 412]


async def test_the_other_moods(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    catbox.configure(mode="empty")
    empty = await upload(catbox, http)
    assert (empty.status_code, empty.content) == (200, b"")
    catbox.configure(mode="error_text")
    wordy = await upload(catbox, http)
    assert (wordy.status_code, wordy.text.startswith("http")) == (200, False)
    catbox.configure(mode="gateway_timeout")
    assert (await upload(catbox, http)).status_code == 504
    catbox.configure(mode="slow", slow_seconds=0.5)
    with pytest.raises(httpx.ReadTimeout):
        await http.post(
            f"{catbox.api_url}/user/api.php",
            data={"reqtype": "fileupload"},
            files={"fileToUpload": ("a.png", b"x")},
            timeout=impatient(0.1),
        )
    assert CatboxConfig().slow_seconds > 30


async def test_a_file_can_vanish_after_its_upload(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    catbox.configure(mode="vanishing", vanish_after=60)
    url = (await upload(catbox, http)).text
    assert (await http.get(url)).status_code == 200
    catbox.advance(61)
    assert (await http.get(url)).status_code == 404


async def test_a_client_without_a_name_is_hung_up_on(catbox: CatboxSimulator) -> None:
    for agent in ("", "Python-urllib/3.11"):
        async with httpx.AsyncClient(headers={"User-Agent": agent}, timeout=60, verify=False) as nameless:
            with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
                await upload(catbox, nameless)
    assert [refusal.code for refusal in catbox.refusals] == ["hung_up"] * 2


async def test_sizes_and_kinds_are_limited(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    assert (CatboxConfig().file_limit, CatboxConfig().gif_limit) == (200 * 2**20, 20 * 2**20)
    catbox.configure(file_limit=1000, gif_limit=100)
    large = await upload(catbox, http, bytes(1001))
    assert (large.status_code, large.text) == (413, "File is too large.")
    assert (await upload(catbox, http, bytes(101), "a.gif")).status_code == 412
    assert (await upload(catbox, http, bytes(99), "a.gif")).status_code == 200
    for name in ("a.exe", "a.SCR", "a.cpl", "a.doc", "a.docx", "a.jar"):
        assert (await upload(catbox, http, b"x", name)).status_code == 412, name


async def test_only_an_accounts_own_files_can_be_deleted(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    mine, anonymous = (await upload(catbox, http, **HASH)).text, (await upload(catbox, http)).text

    async def delete(*urls: str, **fields: str) -> httpx.Response:
        names = " ".join(url.rpartition("/")[2] for url in urls)
        # `files` makes httpx send a multipart form, which is what catbox reads.
        form = {"reqtype": "deletefiles", "files": names, **fields}
        return await http.post(f"{catbox.api_url}/user/api.php", files={k: (None, v) for k, v in form.items()})

    assert (await delete(mine)).status_code == 412
    assert (await delete(anonymous, **HASH)).status_code == 412
    assert (await delete("http://x/nobody.png", **HASH)).status_code == 412
    gone = await delete(mine, **HASH)
    assert (gone.status_code, gone.text) == (200, "Files successfully deleted.")
    assert (await http.get(mine)).status_code == 404
    assert catbox.counters()["deleted"] == 1


async def test_a_url_is_uploaded_unless_it_is_presigned(
    catbox: CatboxSimulator, http: httpx.AsyncClient, stills: Stills
) -> None:
    async def from_url(url: str) -> httpx.Response:
        form = {"reqtype": "urlupload", "url": url}
        return await http.post(f"{catbox.api_url}/user/api.php", files={k: (None, v) for k, v in form.items()})

    good = await from_url(f"{stills.url}/good.png")
    assert (await http.get(good.text)).content == png()
    assert good.text.endswith(".png")
    assert (await from_url(f"{stills.url}/missing.png")).status_code == 412
    assert (await from_url(f"{stills.url}/good.png?X-Amz-Signature=1")).status_code == 412


async def test_faults_on_order_work_here_too(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    catbox.script("api", ["accept_then_reset", {"http": 504, "text": "<html>"}, "reset_before"], match="clip07")
    for _ in range(3):
        try:
            assert (await upload(catbox, http)).status_code == 504
        except (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError):
            continue
    assert catbox.counters()["uploads"] == 1
    catbox.script("files", [{"http": 500}])
    assert (await http.get(catbox.files[0].url)).status_code == 500


# ── litterbox ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("time", "seconds"), [("1h", 3_600), ("12h", 43_200), ("24h", 86_400), ("72h", 259_200)])
async def test_litter_lives_as_long_as_asked(
    catbox: CatboxSimulator, http: httpx.AsyncClient, time: str, seconds: float
) -> None:
    url = (await litter(catbox, http, time=time)).text
    assert url.startswith(f"{catbox.litter_url}/")
    catbox.advance(seconds - 5)
    assert (await http.get(url)).content == png()
    catbox.advance(10)
    assert (await http.get(url)).status_code == 404


async def test_litter_needs_a_known_time_and_has_long_names_on_request(
    catbox: CatboxSimulator, http: httpx.AsyncClient
) -> None:
    assert (await litter(catbox, http)).status_code == 412
    assert (await litter(catbox, http, time="2h")).status_code == 412
    assert (await litter(catbox, http, time="1h", reqtype="urlupload")).status_code == 412
    long = (await litter(catbox, http, time="1h", fileNameLength="16")).text
    assert len(long.rpartition("/")[2]) == 20
    catbox.configure(litter_limit=10)
    assert (await litter(catbox, http, time="1h")).status_code == 413


async def test_the_litter_host_is_shy(catbox: CatboxSimulator, http: httpx.AsyncClient) -> None:
    url = (await litter(catbox, http, time="1h")).text
    assert (await http.head(url)).status_code == 405
    assert (await http.get(f"{catbox.litter_url}/")).status_code == 403
    catbox_url = (await upload(catbox, http)).text
    assert (await http.get(catbox_url.replace(catbox.files_url, catbox.litter_url))).status_code == 404


async def test_the_firewall_bans_after_ten_refusals_in_a_minute(
    catbox: CatboxSimulator, http: httpx.AsyncClient
) -> None:
    url = (await litter(catbox, http, time="72h")).text
    missing = f"{catbox.litter_url}/nobody.png"
    for _ in range(20):
        await http.get(missing)
    assert (await http.get(url)).status_code == 200  # no firewall by default
    catbox.configure(waf=True)
    catbox.advance(61)
    for _ in range(9):
        await http.get(missing)
    catbox.advance(61)
    await http.get(missing)
    assert (await http.get(url)).status_code == 200  # ten, but not within a minute
    for _ in range(9):
        await http.get(missing)
    assert (await http.get(url)).status_code == 403
    catbox.advance(3_601)
    assert (await http.get(url)).status_code == 200


async def test_the_ledger_lists_files_and_a_reset_forgets_them(
    catbox: CatboxSimulator, http: httpx.AsyncClient
) -> None:
    url = (await litter(catbox, http, time="1h")).text
    told = (await http.get(f"{catbox.admin_url}/__sim/ledger")).json()
    assert told["counters"] == {"uploads": 1, "deleted": 0, "downloads": 0, "refused": 0}
    assert [(file["url"], file["litter"], file["size"]) for file in told["files"]] == [(url, True, len(png()))]
    assert told["files"][0]["expires"] - told["files"][0]["virtual"] == pytest.approx(3_600)
    catbox.reset()
    assert (await http.get(url)).status_code == 404
    assert catbox.counters()["uploads"] == 0
