"""Rendered clips: the still in motion, drawn aside, kept for the next time."""

import asyncio
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from simulators.kie import KieSimulator
from simulators.kie.camera import move_of
from simulators.kie.images import video_size
from studio.contracts.clip import CameraMove
from tests.simulators.callers import KieCaller, order, png

KEY = {"Authorization": "Bearer sim-key"}


async def hosted(kie: KieSimulator, http: httpx.AsyncClient, data: bytes, name: str = "still.png") -> str:
    files = {"file": (name, data, "image/png")}
    form = {"uploadPath": "p", "fileName": name}
    told = await http.post(f"{kie.upload_url}/api/file-stream-upload", data=form, files=files, headers=KEY)
    return str(told.json()["data"]["downloadUrl"])


def striped(width: int, height: int) -> bytes:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), (200, 20, 20))
    image.paste((20, 20, 200), (width // 2, 0, width, height))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_rendered_clip_shows_the_still_and_follows_the_prompt(start_kie: Any, http: httpx.AsyncClient) -> None:
    kie = await start_kie(clips="rendered", strength=1)
    url = await hosted(kie, http, striped(128, 72))
    async with KieCaller(kie) as caller:
        task = await caller.task(order("Waves roll in. The camera pans left.", image_url=url))
        kie.advance(300)
        data = (await http.get(await caller.url(task))).content
    with av.open(BytesIO(data), "r") as video:
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)]
    assert len(pictures) == 121
    assert pictures[0].shape == (72, 128, 3)
    # Panning left uncovers more of the red half.
    reds = [(picture[..., 0] > picture[..., 2]).mean() for picture in (pictures[0], pictures[-1])]
    assert reds[1] > reds[0] + 0.05


async def test_a_task_generates_as_long_as_its_clip_is_being_drawn(start_kie: Any, http: httpx.AsyncClient) -> None:
    kie = await start_kie(clips="rendered", duration=(1, 1))
    url = await hosted(kie, http, striped(320, 180))
    async with KieCaller(kie) as caller:
        task = await caller.task(order("A long one. Orbit.", image_url=url, duration="10"))
        kie.advance(1.5)
        assert (await caller.look(task))["state"] == "generating"
        assert kie.ledger.in_flight == 1
        data = await caller.ended(task)
    assert data["costTime"] > 1_500
    assert kie.ledger.in_flight == 0


async def test_the_loop_answers_while_clips_are_drawn(start_kie: Any, http: httpx.AsyncClient, tmp_path: Path) -> None:
    kie = await start_kie(clips="rendered", cache=tmp_path, poll_limit=0)
    url = await hosted(kie, http, striped(640, 360))
    waits: list[float] = []
    async with KieCaller(kie) as caller:
        task = await caller.task(order("Truck alongside.", image_url=url))
        kie.advance(300)
        began = time.monotonic()
        while (await caller.look(task))["state"] != "success":
            started = time.monotonic()
            await caller.credit()
            waits.append(time.monotonic() - started)
            await asyncio.sleep(0.01)
    assert len(waits) > 5
    assert sorted(waits)[len(waits) // 2] < (time.monotonic() - began) / 5


async def test_a_clip_is_drawn_once_and_kept(start_kie: Any, http: httpx.AsyncClient, tmp_path: Path) -> None:
    for _ in range(2):  # also by the next simulator
        kie = await start_kie(clips="rendered", cache=tmp_path)
        url = await hosted(kie, http, striped(64, 36))
        async with KieCaller(kie) as caller:
            tasks = [await caller.task(order(f"{word}. Zoom in.", image_url=url)) for word in ("one", "two")]
            kie.advance(300)
            for task in tasks:
                await caller.ended(task)
    drawn = files_in(tmp_path)
    assert len(drawn) == 1
    other = await hosted(kie, http, striped(64, 40), "other.png")
    async with KieCaller(kie) as caller:
        for prompt, still in (("Pan right.", url), ("Zoom in.", other)):
            task = await caller.task(order(prompt, image_url=still))
            kie.advance(300)
            await caller.ended(task)
    assert len(files_in(tmp_path)) == 3


async def test_two_tasks_with_one_clip_do_not_draw_it_twice(
    start_kie: Any, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    kie = await start_kie(clips="rendered", cache=tmp_path, workers=2, duration=(0, 0))
    url = await hosted(kie, http, striped(640, 360))
    drawing = 0
    async with KieCaller(kie) as caller:
        for word in ("one", "two"):
            await caller.task(order(f"{word}. Zoom in.", image_url=url))
        while kie.ledger.in_flight:
            drawing = max(drawing, sum(file.name.endswith(".still") for file in files_in(tmp_path)))
            await asyncio.sleep(0.005)
    assert drawing == 1


async def test_a_damaged_still_fails_the_task(start_kie: Any, http: httpx.AsyncClient) -> None:
    kie = await start_kie(clips="rendered")
    url = await hosted(kie, http, striped(300, 200)[:300])
    async with KieCaller(kie) as caller:
        task = await caller.task(order(image_url=url))
        kie.advance(300)
        data = await caller.ended(task)
    assert (data["state"], "damaged" in data["failMsg"]) == ("fail", True)
    assert kie.state()["problems"] == []


async def test_with_fetching_off_a_card_stands_in_for_a_still_that_cannot_be_had(start_kie: Any) -> None:
    kie = await start_kie(clips="rendered", fetch_images="off")
    async with KieCaller(kie) as caller:
        task = await caller.task(order(image_url="http://127.0.0.1:1/x.png"))
        kie.advance(300)
        assert (await caller.ended(task))["state"] == "success"


async def test_a_simulator_stops_in_the_middle_of_a_drawing(
    start_kie: Any, stack: Any, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    kie = await start_kie(clips="rendered", cache=tmp_path)
    url = await hosted(kie, http, striped(1920, 1080))
    async with KieCaller(kie) as caller:
        await caller.task(order("Orbit.", image_url=url, duration="10"))
        deadline = time.monotonic() + 240
        while not files_in(tmp_path):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    await stack.aclose()
    assert files_in(tmp_path) == []  # not even the clip: it did not wait for the end of the drawing


async def test_placeholders_share_one_clip_per_length_size_and_movement(
    start_kie: Any, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    kie = await start_kie(cache=tmp_path, rate_limit=0)
    url = await hosted(kie, http, png(32, 32))
    async with KieCaller(kie) as caller:
        for body in (
            *(order(f"clip {number}. Pan left.") for number in range(20)),
            order("Orbit.", duration="10"),
            order("Static camera."),
            order("Orbit.", image_url=url),
        ):
            task = await caller.task(body)
            kie.advance(300)
            await caller.ended(task)
    assert len(files_in(tmp_path)) == 4


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("", CameraMove.ZOOM_IN),
        ("A harbour at dawn.", CameraMove.ZOOM_IN),
        ("Slow push in.", CameraMove.ZOOM_IN),
        ("Camera slowly zooms in on the face.", CameraMove.ZOOM_IN),
        ("Dolly forward.", CameraMove.ZOOM_IN),
        ("Slow dolly forward", CameraMove.ZOOM_IN),
        ("Slow pull back.", CameraMove.ZOOM_OUT),
        ("Camera zooms out.", CameraMove.ZOOM_OUT),
        ("Dolly slowly backward.", CameraMove.ZOOM_OUT),
        ("Pan left.", CameraMove.PAN_LEFT),
        ("The camera pans slowly to the left.", CameraMove.PAN_LEFT),
        ("Slow pan right", CameraMove.PAN_RIGHT),
        ("Slow orbit around the subject.", CameraMove.ORBIT),
        ("Camera circles the tower.", CameraMove.ORBIT),
        ("Smooth truck alongside the subject.", CameraMove.TRUCK),
        ("Tracking shot.", CameraMove.TRUCK),
        ("Static camera.", CameraMove.STATIC),
        ("Locked-off shot.", CameraMove.STATIC),
        ("Camera stays still.", CameraMove.STATIC),
        ("Zoom in on him. He turns. Camera static.", CameraMove.STATIC),
        ("Everything is static at first. Then push in.", CameraMove.ZOOM_IN),
    ],
)
def test_the_last_sentence_says_how_the_camera_moves(prompt: str, move: CameraMove) -> None:
    assert move_of(prompt) is move


@pytest.mark.parametrize(
    ("still", "clip"),
    [
        ((1920, 1080), (1920, 1080)),
        ((3840, 2160), (1920, 1080)),
        ((1080, 1920), (1080, 1920)),
        ((2000, 2000), (1080, 1080)),
        ((641, 361), (640, 360)),
        ((4000, 1000), (1920, 480)),
        ((5, 5), (16, 16)),
    ],
)
def test_a_clip_keeps_its_stills_shape_within_1080p_and_even(still: tuple[int, int], clip: tuple[int, int]) -> None:
    assert video_size(*still) == clip
