"""Files on the byte level: MP4 boxes, forms, ranges."""

from io import BytesIO
from pathlib import Path

import av
import httpx
import pytest

from simulators.files import file_answer
from simulators.kie.drawing import card
from simulators.mp4 import UnfitFile, jpeg_video, silent_sound, with_time_base
from simulators.multipart import parts_of
from studio.contracts.clip import CameraMove
from studio.media.animatic import render_clip


def clip(folder: Path) -> bytes:
    card(64, 36).save(folder / "still.png")
    options = {"strength": 1.0, "seconds": 0.5, "width": 64, "height": 36}
    render_clip(folder / "still.png", folder / "clip.mp4", move=CameraMove.ZOOM_IN, **options)  # type: ignore[arg-type]
    return (folder / "clip.mp4").read_bytes()


def test_another_time_base_keeps_every_frame_at_its_moment(tmp_path: Path) -> None:
    before = clip(tmp_path)
    seen = []
    for data in (before, with_time_base(before, 12_288)):
        with av.open(BytesIO(data), "r") as container:
            stream = container.streams.video[0]
            assert stream.time_base is not None
            base = stream.time_base.denominator
            frames = [(frame.time, frame.to_ndarray().tobytes()) for frame in container.decode(stream)]
        seen.append((base, frames))
    (first, one), (second, two) = seen
    assert (first, second) == (90_000, 12_288)
    assert [moment for moment, _ in one] == pytest.approx([moment for moment, _ in two])
    assert [picture for _, picture in one] == [picture for _, picture in two]


def test_a_time_base_that_does_not_divide_and_a_file_that_is_no_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitFile, match="no whole number"):
        with_time_base(clip(tmp_path), 1_000)
    for data in (b"", b"<html>", b"\0\0\0\x08free"):
        with pytest.raises(UnfitFile):
            with_time_base(data, 12_288)


def test_odd_videos_are_what_they_say() -> None:
    picture = BytesIO()
    card(64, 36).save(picture, "JPEG")
    with av.open(BytesIO(jpeg_video([picture.getvalue()] * 24, fps=24, width=64, height=36)), "r") as container:
        assert len(list(container.decode(video=0))) == 24
        assert container.duration == 1_000_000
    with av.open(BytesIO(silent_sound(2)), "r") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 16_000


def test_a_form_is_read_as_httpx_writes_it() -> None:
    data = b"\x89PNG\r\n\r\n--not the boundary\r\n\0\xff"
    files = {"file": ("stück.png", data, "image/png")}
    request = httpx.Request("POST", "http://x", data={"uploadPath": "a/b", "name": "ü"}, files=files)
    parts = parts_of(request.headers["content-type"], request.read())
    assert parts["file"].data == data
    assert (parts["file"].filename, parts["file"].content_type) == ("stück.png", "image/png")
    assert (parts["uploadPath"].text, parts["name"].text) == ("a/b", "ü")
    assert parts_of("application/json", b"{}") == {}
    assert parts_of('multipart/form-data; boundary="b"', b"no parts") == {}


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        (None, 200, b"0123456789"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=5-99", 206, b"56789"),
        ("bytes=10-", 416, b""),
        ("bytes=4-2", 416, b""),
        ("bytes=-", 200, b"0123456789"),
        ("items=1-2", 200, b"0123456789"),
    ],
)
def test_a_range_is_served(wanted: str | None, status: int, body: bytes) -> None:
    answer = file_answer(b"0123456789", "video/mp4", wanted)
    assert (answer.status, answer.body) == (status, body)
