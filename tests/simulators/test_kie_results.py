"""The result host: clips by range, until they expire, and spoiled on order."""

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from simulators.kie import KieSimulator
from tests.simulators.callers import KieCaller, impatient, order


async def fetched(kie: KieSimulator, caller: KieCaller, prompt: str = "p", **given: Any) -> str:
    task = await caller.task(order(prompt, **given))
    kie.advance(300)
    return await caller.url(task)


def lose_files(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def opened(data: bytes) -> Any:
    return av.open(BytesIO(data))


def frames(data: bytes) -> list[Any]:
    with opened(data) as video:
        return [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]


# ── serving ──────────────────────────────────────────────────────────────


async def test_a_clip_is_served_whole_by_range_and_by_head(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    url = await fetched(kie, caller)
    whole = await http.get(url)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    for wanted, part in [
        ("bytes=0-99", whole.content[:100]),
        ("bytes=100-", whole.content[100:]),
        ("bytes=-50", whole.content[-50:]),
    ]:
        answer = await http.get(url, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (206, part), wanted
    assert answer.headers["content-range"] == f"bytes {size - 50}-{size - 1}/{size}"
    assert (await http.get(url, headers={"Range": f"bytes={size}-"})).status_code == 416
    head = await http.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
    assert kie.ledger.downloads == 5
    assert (await http.get(f"{kie.files_url}/v/nobody.mp4")).status_code == 404


async def test_a_link_expires_and_a_fresh_one_lives_for_20_minutes(start_kie: Any, http: httpx.AsyncClient) -> None:
    kie = await start_kie(result_lifetime=3_600)
    async with KieCaller(kie) as caller:
        url = await fetched(kie, caller)
        assert (await http.get(url)).status_code == 200
        kie.advance(3_600)
        assert (await http.get(url)).status_code == 404
        kie.configure(expired_status=403)
        assert (await http.get(url)).status_code == 403
        fresh = (await caller.http.post("/api/v1/common/download-url", json={"url": url})).json()["data"]
        assert isinstance(fresh, str)
        assert fresh != url
        assert (await http.get(fresh)).status_code == 200
        kie.advance(1_201)
        assert (await http.get(fresh)).status_code == 403


async def test_download_url_knows_only_our_own_and_only_while_the_file_is_kept(
    kie: KieSimulator, caller: KieCaller
) -> None:
    url = await fetched(kie, caller)
    for strange in ("https://elsewhere.example/v/x.mp4", "", f"{kie.files_url}/v/none.mp4"):
        response = await caller.http.post("/api/v1/common/download-url", json={"url": strange})
        assert response.json()["code"] == 422
    kie.advance(14 * 86_400)
    assert (await caller.http.post("/api/v1/common/download-url", json={"url": url})).json()["code"] == 422


async def test_a_download_goes_wrong_on_the_wire(kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient) -> None:
    url = await fetched(kie, caller)
    size = len((await http.get(url)).content)
    kie.script("files", ["truncated_body", {"wrong_length": 999}, {"wrong_length": -999}, "zero_bytes", {"http": 403}])
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(url)
    assert len((await http.get(url)).content) == size - 999
    assert (await http.get(url)).content == b""
    assert (await http.get(url)).status_code == 403
    kie.script("files", [{"slow_body": 1}, "reset_before"])
    with pytest.raises(httpx.ReadTimeout):
        await http.get(url, timeout=impatient(0.05))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await http.get(url)


async def test_a_failure_of_the_simulator_itself_does_not_pass_for_one_of_the_service(
    start_kie: Any, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    kie = await start_kie(cache=tmp_path)
    async with KieCaller(kie) as caller:
        url = await fetched(kie, caller)
    assert kie.state()["problems"] == []
    lose_files(tmp_path)
    assert (await http.get(url)).status_code == 500
    assert "FileNotFoundError" in kie.state()["problems"][0]


# ── clips, good and bad ──────────────────────────────────────────────────


async def content(kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient, kind: str, **given: Any) -> bytes:
    kie.order(match=kind, clip=kind)
    return (await http.get(await fetched(kie, caller, f"{kind}. Slow dolly in.", **given))).content


@pytest.mark.parametrize(("seconds", "count"), [("5", 121), ("10", 241)])
async def test_a_clip_has_klings_frames_rate_codec_and_time_base(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient, seconds: str, count: int
) -> None:
    data = await content(kie, caller, http, "good", duration=seconds)
    with opened(data) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.average_rate, video.frames) == ("h264", 24, count)
        assert (video.width, video.height) == (64, 36)
        assert video.time_base.denominator == 12_288
        assert float(video.duration * video.time_base) == pytest.approx(count / 24)
        assert not container.streams.audio
        times = [frame.time for frame in container.decode(video)]
    assert times == pytest.approx([number / 24 for number in range(count)])


async def test_a_moving_clip_moves_and_a_static_or_frozen_one_does_not(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    moving = frames(await content(kie, caller, http, "good"))
    frozen = frames(await content(kie, caller, http, "frozen"))
    static = frames((await http.get(await fetched(kie, caller, "A rock. Static camera."))).content)
    change = [abs(video[0].astype(int) - video[-1]).mean() for video in (moving, frozen, static)]
    assert change[0] > 8
    assert max(change[1:]) < 2  # an encoder settles a little, also on a still picture
    assert len(moving) == len(frozen) == len(static) == 121


async def test_a_black_clip_is_black(kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient) -> None:
    pictures = frames(await content(kie, caller, http, "black"))
    assert len(pictures) == 121
    assert max(picture.max() for picture in pictures) <= 20


async def test_clips_come_in_the_wrong_length_or_size(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    with opened(await content(kie, caller, http, "wrong_length")) as video:
        assert video.streams.video[0].frames == 60
    with opened(await content(kie, caller, http, "wrong_size")) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.frames) == (32, 18, 121)


async def test_clips_come_in_another_codec_or_without_pictures(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    data = await content(kie, caller, http, "wrong_codec")
    with opened(data) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.width, video.height, video.frames) == ("mjpeg", 64, 36, 121)
    assert len(frames(data)) == 121
    with opened(await content(kie, caller, http, "audio_only")) as video:
        assert not video.streams.video
        assert video.duration / av.time_base == pytest.approx(5)


async def test_clips_come_empty_as_a_page_or_cut_off(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    assert await content(kie, caller, http, "empty") == b""
    assert (await content(kie, caller, http, "html")).startswith(b"<!DOCTYPE html>")
    good = await content(kie, caller, http, "good")
    cut = await content(kie, caller, http, "truncated")
    assert good.startswith(cut)
    assert 0.5 < len(cut) / len(good) < 0.7
