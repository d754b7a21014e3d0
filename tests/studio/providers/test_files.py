"""Downloads from the simulated result host of KIE.ai, over real HTTP."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from simulators.kie import KieSimulator
from studio.errors import DownloadBroken, LinkExpired, NotAVideo, ProviderUnavailable, StudioError, WorkFolderFull
from studio.providers.files import LOOPBACK, FileClient, open_files
from tests.simulators.callers import KieCaller, serve

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(1_000)


@pytest.fixture
async def files() -> AsyncIterator[FileClient]:
    async with open_files(rehearsal=LOOPBACK) as opened:
        yield opened


@pytest.fixture
async def url(kie: KieSimulator) -> str:
    """Where a finished clip lies."""
    async with KieCaller(kie) as caller:
        task_id = await caller.task()
        kie.advance(300)
        return await caller.url(task_id)


async def length_of(url: str) -> int:
    async with httpx.AsyncClient() as anybody:
        return len((await anybody.get(url)).content)


async def test_a_clip_comes_down_whole(files: FileClient, url: str, tmp_path: Path) -> None:
    came = await files.download(url, tmp_path / "clip.mp4")
    assert came.size == await length_of(url) == (tmp_path / "clip.mp4").stat().st_size > 1_000
    assert came.sha256 == hashlib.sha256((tmp_path / "clip.mp4").read_bytes()).hexdigest()
    assert (tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp"


async def test_a_second_download_replaces_what_the_first_left(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(10_000_000))
    assert (
        (await files.download(url, tmp_path / "clip.mp4")).size == (tmp_path / "clip.mp4").stat().st_size < 10_000_000
    )


async def failure(files: FileClient, url: str, folder: Path) -> StudioError:
    with pytest.raises(StudioError) as failed:
        await files.download(url, folder / "clip.mp4")
    return failed.value


async def test_a_full_disk_is_told_as_that_and_is_no_fault_of_the_file(
    files: FileClient, url: str, tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").symlink_to("/dev/full")
    full = await failure(files, url, tmp_path)
    assert isinstance(full, WorkFolderFull)
    assert full.retryable
    assert "No space left" in str(full)


BROKEN: list[Any] = ["reset_before", "reset_after", "truncated_body", {"wrong_length": 1_000}]


@pytest.mark.parametrize("fault", BROKEN, ids=str)
async def test_a_download_that_broke_off_is_worth_another_try(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path, fault: object
) -> None:
    kie.script("files", [fault])
    broken = await failure(files, url, tmp_path)
    assert type(broken) is DownloadBroken
    assert broken.retryable
    assert (await files.download(url, tmp_path / "clip.mp4")).size == await length_of(url)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_address_that_is_forbidden_or_gone_has_expired(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path, status: int
) -> None:
    kie.script("files", [{"http": status}])
    gone = await failure(files, url, tmp_path)
    assert type(gone) is LinkExpired
    assert not gone.retryable
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize("status", [403, 404])
async def test_a_result_of_last_month_has_expired(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path, status: int
) -> None:
    kie.configure(expired_status=status)
    kie.advance(30 * 86_400)
    assert type(await failure(files, url, tmp_path)) is LinkExpired


@pytest.mark.parametrize(
    "fault", [{"http": 429}, {"http": 500}, {"http": 503}, {"html": 502}, {"http": 504, "text": ""}], ids=str
)
async def test_a_host_in_trouble_is_worth_another_try(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path, fault: object
) -> None:
    kie.script("files", [fault])
    assert type(await failure(files, url, tmp_path)) is ProviderUnavailable
    assert not (tmp_path / "clip.mp4").exists()


async def test_the_hosts_own_wait_is_obeyed(files: FileClient, kie: KieSimulator, url: str, tmp_path: Path) -> None:
    kie.script("files", [{"http": 503, "headers": {"Retry-After": "17"}}])
    assert (await failure(files, url, tmp_path)).retry_after == timedelta(seconds=17)


async def test_a_host_that_is_down_is_worth_another_try(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path
) -> None:
    await kie.refuse_connections("files")
    assert type(await failure(files, url, tmp_path)) is ProviderUnavailable


@pytest.mark.parametrize("fault", [{"slow_headers": 0.3}, {"slow_body": 0.3}], ids=str)
async def test_a_slow_host_is_waited_for(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path, fault: object
) -> None:
    kie.script("files", [fault])
    assert (await files.download(url, tmp_path / "clip.mp4")).size == await length_of(url)


async def test_what_http_cannot_tell_from_a_clip_is_left_to_the_one_who_looks_at_it(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path
) -> None:
    """Half of a file with a length that fits: `examine_clip` refuses it."""
    for fault in ({"wrong_length": -1_000}, "invalid_json"):
        kie.script("files", [fault])
        came = await files.download(url, tmp_path / "clip.mp4")
        assert came.size == (tmp_path / "clip.mp4").stat().st_size != await length_of(url)


async def test_what_is_no_video_is_quoted_and_never_written(
    files: FileClient, kie: KieSimulator, url: str, tmp_path: Path
) -> None:
    for fault in ("zero_bytes", {"html": 200}, {"body_code": 404}):
        kie.script("files", [fault, fault])
        first, second = [await failure(files, url, tmp_path) for _ in range(2)]
        assert isinstance(first, NotAVideo) and isinstance(second, NotAVideo) and first.retryable
        assert first.sha256 == second.sha256
        assert not (tmp_path / "clip.mp4").exists()


async def test_a_redirect_is_followed_and_a_circle_is_not_for_ever(files: FileClient, url: str, tmp_path: Path) -> None:
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound(url)

    async def circle(request: web.Request) -> web.Response:
        raise web.HTTPFound("/circle")

    app = web.Application()
    app.router.add_get("/moved", moved)
    app.router.add_get("/circle", circle)
    async with AsyncExitStack() as stack:
        host = await serve(stack, app)
        assert (await files.download(f"{host}/moved", tmp_path / "clip.mp4")).size == await length_of(url)
        assert type(await failure(files, f"{host}/circle", tmp_path)) is DownloadBroken


@pytest.mark.parametrize("address", ["", "/v/clip.mp4", "ftp://host/clip.mp4", "http://[::1/clip.mp4"])
async def test_an_address_that_is_none_is_not_worth_another_try(
    files: FileClient, tmp_path: Path, address: str
) -> None:
    assert not (await failure(files, address, tmp_path)).retryable


async def test_nothing_of_ours_travels_with_a_download(files: FileClient, tmp_path: Path) -> None:
    seen: list[str] = []

    async def look(request: web.Request) -> web.Response:
        seen.extend(name.lower() for name in request.headers)
        return web.Response(body=VIDEO)

    app = web.Application()
    app.router.add_get("/clip.mp4", look)
    async with AsyncExitStack() as stack:
        await files.download(f"{await serve(stack, app)}/clip.mp4", tmp_path / "clip.mp4")
    assert not {"authorization", "cookie"} & set(seen)
