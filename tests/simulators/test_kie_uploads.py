"""The upload host: three ways in, what it answers, how long it keeps things."""

import base64
from typing import Any

import httpx
import pytest

from simulators.kie import KieSimulator
from tests.simulators.callers import KieCaller, Stills, order, png

KEY = {"Authorization": "Bearer sim-key"}


async def stream(
    kie: KieSimulator,
    http: httpx.AsyncClient,
    data: bytes,
    name: str | None = "clip07.png",
    folder: str | None = "proj42",
) -> httpx.Response:
    fields = {**({"uploadPath": folder} if folder is not None else {}), **({"fileName": name} if name else {})}
    files = {"file": ("still.png", data, "image/png")}
    return await http.post(f"{kie.upload_url}/api/file-stream-upload", data=fields, files=files, headers=KEY)


async def post(kie: KieSimulator, http: httpx.AsyncClient, way: str, body: dict[str, Any]) -> httpx.Response:
    return await http.post(f"{kie.upload_url}/api/file-{way}-upload", json=body, headers=KEY)


async def test_a_streamed_still_can_be_fetched_where_the_answer_says(
    kie: KieSimulator, http: httpx.AsyncClient
) -> None:
    told = (await stream(kie, http, png())).json()
    assert (told["success"], told["code"], told["msg"]) == (True, 200, "File uploaded successfully")
    data = told["data"]
    assert (data["fileName"], data["filePath"], data["mimeType"]) == ("clip07.png", "proj42/clip07.png", "image/png")
    assert data["fileSize"] == len(png())
    assert data["uploadedAt"].endswith("Z")
    assert data["downloadUrl"].startswith(kie.upload_url)
    served = await http.get(data["downloadUrl"])
    assert (served.content, served.headers["content-type"]) == (png(), "image/png")
    part = await http.get(data["downloadUrl"], headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, png()[:8])
    head = await http.head(data["downloadUrl"])
    assert (head.content, head.headers["content-length"]) == (b"", str(len(png())))


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
async def test_a_still_comes_in_as_base64(kie: KieSimulator, http: httpx.AsyncClient, prefix: str) -> None:
    encoded = prefix + base64.b64encode(png()).decode()
    told = (await post(kie, http, "base64", {"base64Data": encoded, "uploadPath": "a/b", "fileName": "x.png"})).json()
    assert (await http.get(told["data"]["downloadUrl"])).content == png()
    assert told["data"]["filePath"] == "a/b/x.png"


async def test_a_still_is_fetched_from_a_url(kie: KieSimulator, http: httpx.AsyncClient, stills: Stills) -> None:
    body = {"fileUrl": f"{stills.url}/good.png", "uploadPath": "a"}
    told = (await post(kie, http, "url", body)).json()
    assert (await http.get(told["data"]["downloadUrl"])).content == png()
    assert told["data"]["fileName"].endswith(".png")
    missing = (await post(kie, http, "url", {**body, "fileUrl": f"{stills.url}/missing.png"})).json()
    assert (missing["success"], missing["code"]) == (False, 500)
    nowhere = (await post(kie, http, "url", {**body, "fileUrl": "http://127.0.0.1:1/x.png"})).json()
    assert (nowhere["success"], nowhere["code"]) == (False, 500)


async def test_a_still_that_does_not_come_in_time_is_given_up(start_kie: Any, http: httpx.AsyncClient) -> None:
    kie, other = await start_kie(fetch_timeout=0.2), await start_kie()
    url = (await stream(other, http, png())).json()["data"]["downloadUrl"]
    other.script("uploads", ["hang"])
    told = (await post(kie, http, "url", {"fileUrl": url, "uploadPath": "a"})).json()
    assert "did not come in time" in told["msg"]


async def test_without_a_name_one_is_made_up_from_the_bytes(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    names = [(await stream(kie, http, data, name=None)).json()["data"]["fileName"] for data in (png(), png(), png(32))]
    assert names[0] == names[1] != names[2]
    assert names[0].endswith(".png")


async def test_bad_uploads_are_refused(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    good = {"base64Data": base64.b64encode(png()).decode(), "uploadPath": "a", "fileName": "x.png"}
    refused = [
        await stream(kie, http, png(), folder=None),
        *[await stream(kie, http, png(), folder=folder) for folder in ("/a", "a/", "a/../b")],
        await stream(kie, http, png(), name="../x.png"),
        await http.post(f"{kie.upload_url}/api/file-stream-upload", data={"uploadPath": "a"}, headers=KEY),
        await http.post(f"{kie.upload_url}/api/file-base64-upload", content=b"{", headers=KEY),
        await post(kie, http, "base64", {**good, "base64Data": "?"}),
        await post(kie, http, "base64", {**good, "base64Data": ""}),
        await post(kie, http, "url", {"fileUrl": "ftp://x", "uploadPath": "a"}),
    ]
    assert [(response.json()["success"], response.json()["code"]) for response in refused] == [(False, 400)] * 10
    kie.configure(upload_limit=10)
    assert (await stream(kie, http, png())).json()["code"] == 400
    assert kie.ledger.uploads == 0


async def test_the_upload_host_wants_the_key_and_posts(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    keyless = await http.post(f"{kie.upload_url}/api/file-base64-upload", json={})
    assert keyless.json() == {"success": False, "code": 401, "msg": "You do not have access permissions"}
    kie.configure(auth_as_http=True)
    assert (await http.post(f"{kie.upload_url}/api/file-base64-upload", json={})).status_code == 401
    got = await http.get(f"{kie.upload_url}/api/file-base64-upload", headers=KEY)
    assert (got.status_code, got.json()["success"], got.json()["code"]) == (405, False, 405)
    kie.script("upload*", [{"http": 500}])
    broken = await stream(kie, http, png())
    assert (broken.status_code, broken.json()["success"]) == (500, False)


async def test_the_same_name_overwrites_and_the_old_bytes_may_be_served_for_a_while(
    start_kie: Any, http: httpx.AsyncClient
) -> None:
    kie = await start_kie(overwrite_delay=60)
    url = (await stream(kie, http, png(8))).json()["data"]["downloadUrl"]
    assert (await stream(kie, http, png(16))).json()["data"]["downloadUrl"] == url
    assert (await http.get(url)).content == png(8)
    kie.advance(61)
    assert (await http.get(url)).content == png(16)


async def test_an_upload_is_gone_after_a_day(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    url = (await stream(kie, http, png())).json()["data"]["downloadUrl"]
    kie.advance(86_390)
    assert (await http.get(url)).status_code == 200
    kie.advance(20)
    assert (await http.get(url)).status_code == 404


async def test_the_answer_has_a_second_shape(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    kie.configure(upload_shape="quickstart")
    data = (await stream(kie, http, png())).json()["data"]
    assert {"fileId", "originalName", "fileUrl", "downloadUrl"} <= data.keys()
    assert "filePath" not in data
    assert (await http.get(data["fileUrl"])).content == png()


async def test_an_uploaded_still_serves_an_order_and_gives_the_clip_its_size(
    start_kie: Any, http: httpx.AsyncClient
) -> None:
    kie = await start_kie(fetch_images="at_create")
    url = (await stream(kie, http, png(48, 32))).json()["data"]["downloadUrl"]
    async with KieCaller(kie) as caller:
        await caller.task(order(image_url=url))
    assert kie.ledger.uploads == 1
