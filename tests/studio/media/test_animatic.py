"""The local renderer: what comes out, how smoothly it moves, and that it can be stopped."""

import itertools
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio.contracts.clip import CameraMove
from studio.errors import BadStill, InvalidRequest, MediaError
from studio.media import animatic
from studio.media.animatic import encoder_arguments, render_clip
from studio.media.camera import view
from studio.media.layers import one_layer
from studio.media.paint import Painter
from studio.media.probe import probe
from studio.media.recipe import BT709_LIMITED
from studio.media.stills import draw_still
from studio.media.verify import Ordered, verify_clip
from studio.media.watch import camera_motion
from tests.studio.media.conftest import Clips, Ff, blobs
from tests.studio.media.test_ffmpeg import processes_naming

Frames = list[NDArray[np.float32]]


def lumas(path: Path) -> Frames:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(np.float32) for frame in container.decode(video=0)]


def motions(frames: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Shift right, shift down, growth and turn of each frame against the one before, in pixels."""
    found = []
    for before, after in pairwise(frames):
        down, across = map(np.asarray, np.gradient((before + after) / 2))
        found.append(camera_motion(after - before, across, down)[:4])
    return np.array(found)


def painted_lumas(move: CameraMove, strength: float) -> Frames:
    """Two seconds of a move, straight from the painter."""
    painter = Painter(one_layer(blobs()), 320, 180)
    frames = [painter.paint(view(move, strength, number / 47))[0] for number in range(48)]
    return [np.frombuffer(frame, np.uint8).reshape(180, 320).astype(np.float32) for frame in frames]


def test_the_command_says_everything_about_the_picture() -> None:
    command = " ".join(encoder_arguments(Path("x.part.mp4"), fps=24, width=1920, height=1080)[1:])
    assert command == (
        "-f rawvideo -color_primaries 1 -color_range 1 -color_trc 1 -colorspace 1 -pix_fmt yuv420p -r 24"
        " -s 1920x1080 -i pipe:0"
        " -bf 2 -color_primaries 1 -color_range 1 -color_trc 1 -colorspace 1 -crf 18 -g 48 -map_chapters -1"
        " -map_metadata -1 -movflags +faststart -pix_fmt yuv420p -preset veryfast -profile:v high -vcodec libx264"
        " -video_track_timescale 90000 -write_tmcd 0 x.part.mp4"
    )


@pytest.mark.parametrize("move", list(CameraMove))
def test_a_clip_is_exactly_what_was_ordered(move: CameraMove, clips: Clips) -> None:
    info = probe(clips(move))
    assert (info.codec, info.profile, info.pix_fmt) == ("h264", "High", "yuv420p")
    assert (info.width, info.height, info.sample_aspect_ratio) == (320, 180, Fraction(1))
    assert (info.fps, info.time_base) == (Fraction(24), Fraction(1, 90_000))
    assert (info.frames, info.seconds, info.has_audio) == (48, 2, False)
    assert info.colour == BT709_LIMITED


@pytest.mark.parametrize("move", [move for move in CameraMove if move is not CameraMove.STATIC])
def test_every_move_passes_our_own_check_and_static_is_still(move: CameraMove, clips: Clips) -> None:
    verify_clip(clips(move), Ordered(seconds=2, width=320, height=180, moving=True))
    still = clips(CameraMove.STATIC)
    verify_clip(still, Ordered(seconds=2, width=320, height=180, moving=False))
    first, *_, last = lumas(still)
    assert np.abs(first - last).mean() < 1


def test_the_index_comes_first_so_that_browsers_play_while_loading(clips: Clips) -> None:
    data = clips().read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_a_pan_moves_as_the_formula_says_without_jitter(clips: Clips, texture: Path, strength: float) -> None:
    centres = [view(CameraMove.PAN_RIGHT, strength, number / 47) for number in range(48)]
    # The view goes right, so the picture goes left, magnified by the zoom.
    ideal = [-(b.x - a.x) * 320 * a.zoom for a, b in pairwise(centres)]
    painted = motions(painted_lumas(CameraMove.PAN_RIGHT, strength))[:, 0]
    assert np.sqrt(np.mean((painted - ideal) ** 2)) < 0.012
    # The encoder moves by quarters of a pixel, which is coarser at 320 pixels than at 1920.
    decoded = motions(lumas(clips(CameraMove.PAN_RIGHT, strength=strength, of=texture)))[:, 0]
    assert np.sqrt(np.mean((decoded - ideal) ** 2)) < 0.06


@pytest.mark.parametrize("move", [CameraMove.ZOOM_IN, CameraMove.ZOOM_OUT])
def test_a_zoom_grows_as_the_formula_says_without_jitter(clips: Clips, texture: Path, move: CameraMove) -> None:
    zooms = [view(move, 0.3, number / 47).zoom for number in range(48)]
    ideal = [(b / a - 1) * 160 for a, b in pairwise(zooms)]
    painted = motions(painted_lumas(move, 0.3))
    assert np.sqrt(np.mean((painted[:, 2] - ideal) ** 2)) < 0.012
    assert np.abs(painted[:, :2]).max() < 0.02  # and stays centred
    decoded = motions(lumas(clips(move, strength=0.3, of=texture)))
    assert np.sqrt(np.mean((decoded[:, 2] - ideal) ** 2)) < 0.06


@pytest.mark.parametrize("move", [CameraMove.TRUCK, CameraMove.ORBIT])
def test_truck_and_orbit_speed_up_and_slow_down_smoothly(clips: Clips, texture: Path, move: CameraMove) -> None:
    path = clips(move, strength=0.6, seconds=2, of=texture)
    speed = motions(lumas(path))[:, 0 if move is CameraMove.TRUCK else 3]
    smooth = np.polyval(np.polyfit(np.arange(len(speed)), speed, 6), np.arange(len(speed)))
    assert np.abs(speed).max() > 0.1  # it does move
    assert np.sqrt(np.mean((speed - smooth) ** 2)) < 0.05


def test_the_measure_of_smoothness_sees_the_shaking_of_zoompan(ff: Ff, texture: Path, tmp_path: Path) -> None:
    path = tmp_path / "zoompan.mp4"
    ff(
        *("-i", texture, "-vf", "scale=320:180,zoompan=z=1.25:x='iw*0.1*on/48':y=18:d=48:s=320x180:fps=24"),
        *("-frames:v", 48, "-c:v", "libx264", "-crf", 16, "-pix_fmt", "yuv420p", path),
    )
    speed = motions(lumas(path))[:, 0]
    assert np.std(speed) > 0.3


def test_no_frame_of_a_turn_is_sharper_than_its_neighbours() -> None:
    # In the middle of an orbit the turn is 0 degrees: the frame must be painted in the same way.
    painter = Painter(one_layer(draw_still("city", width=640, height=360).image), 320, 180)
    sharpness = []
    for number in (59, 60, 61):
        frame = np.frombuffer(painter.paint(view(CameraMove.ORBIT, 0.3, number / 120))[0], np.uint8)
        sharpness.append(np.abs(np.diff(frame.reshape(180, 320).astype(float))).mean())
    assert sharpness[1] == pytest.approx((sharpness[0] + sharpness[2]) / 2, rel=0.005)


def test_near_things_pass_far_things_when_the_depth_is_known(tmp_path: Path) -> None:
    blobs().save(tmp_path / "s.png")
    near_below = np.zeros((360, 640), np.uint8)
    near_below[180:] = 255
    Image.fromarray(near_below).save(tmp_path / "d.png")
    for move in (CameraMove.TRUCK, CameraMove.ORBIT):
        render_clip(
            tmp_path / "s.png",
            tmp_path / f"{move}.mp4",
            move=move,
            strength=1,
            seconds=1,
            width=320,
            height=180,
            depth=tmp_path / "d.png",
        )
        frames = lumas(tmp_path / f"{move}.mp4")
        above = motions([frame[5:75] for frame in frames])[:, 0].sum()
        below = motions([frame[105:175] for frame in frames])[:, 0].sum()
        # 7 % (truck) and 6 % (orbit) of 320 pixels between the farthest and the nearest, times the zoom.
        assert above - below == pytest.approx(0.07 * 320 * 1.12 if move is CameraMove.TRUCK else 21, abs=3)


@pytest.mark.parametrize("move", list(CameraMove))
def test_no_edge_of_the_still_ever_comes_into_view(move: CameraMove, tmp_path: Path) -> None:
    # A grey picture: anything from outside it would be black or green.
    Image.new("RGB", (640, 360), (128, 128, 128)).save(tmp_path / "grey.png")
    depth = Image.linear_gradient("L").resize((640, 360))
    depth.save(tmp_path / "depth.png")
    for strength in (0.02, 1.0):
        path = tmp_path / f"{strength}.mp4"
        render_clip(
            tmp_path / "grey.png",
            path,
            move=move,
            strength=strength,
            seconds=0.5,
            width=320,
            height=180,
            depth=tmp_path / "depth.png",
        )
        for frame in lumas(path):
            assert np.ptp(frame) <= 3


@pytest.mark.parametrize(
    ("move", "size"),
    [
        *itertools.product(
            (CameraMove.ORBIT, CameraMove.TRUCK, CameraMove.ZOOM_OUT), ((64, 36), (36, 64), (62, 34), (16, 16))
        ),
        (CameraMove.TRUCK, (1280, 720)),
    ],
)
def test_every_even_size_works_from_a_still_of_any_shape(
    move: CameraMove, size: tuple[int, int], still: Path, depth: Path, tmp_path: Path
) -> None:
    target = tmp_path / "clip.mp4"
    written = render_clip(
        still, target, move=move, strength=0.1, seconds=0.25, width=size[0], height=size[1], depth=depth
    )
    info = probe(target)
    assert (info.width, info.height, info.frames, written) == (*size, 6, 6)


def test_frames_are_counted_for_whoever_listens(still: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    written = render_clip(
        still,
        tmp_path / "clip.mp4",
        move=CameraMove.STATIC,
        strength=0,
        seconds=0.5,
        width=64,
        height=36,
        on_frame=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(number, 12) for number in range(1, 13)]
    assert written == 12


def test_the_same_order_gives_the_same_bytes(still: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        render_clip(still, tmp_path / name, move=CameraMove.ORBIT, strength=0.5, seconds=0.5, width=64, height=36)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_stopped_rendering_leaves_no_file_and_no_process(still: Path, tmp_path: Path) -> None:
    target, stop = tmp_path / "never.mp4", threading.Event()
    stopped_at: list[float] = []

    def on_frame(done: int, total: int) -> None:
        if done == 3:
            stopped_at.append(time.monotonic() + 0.05)
            threading.Timer(0.05, stop.set).start()

    with pytest.raises(MediaError, match="stopped"):
        render_clip(
            still,
            target,
            move=CameraMove.ZOOM_IN,
            strength=1,
            seconds=600,
            width=1280,
            height=720,
            on_frame=on_frame,
            stop=stop,
        )
    assert time.monotonic() - stopped_at[0] < 30
    assert list(tmp_path.iterdir()) == []
    assert processes_naming(str(tmp_path)) == []


def test_a_rendering_that_was_stopped_before_it_began_does_not_begin(still: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(MediaError):
        render_clip(
            still,
            tmp_path / "never.mp4",
            move=CameraMove.PAN_LEFT,
            strength=1,
            seconds=1,
            width=64,
            height=36,
            stop=stop,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("width", "height", "seconds", "strength", "says"),
    [
        (321, 180, 1, 0.5, "even"),
        (320, 181, 1, 0.5, "even"),
        (8, 8, 1, 0.5, "at least 16"),
        (64, 36, 0, 0.5, "0 s"),
        (64, 36, 1, 1.5, "strength"),
    ],
)
def test_impossible_orders_are_refused_in_words(
    still: Path, tmp_path: Path, width: int, height: int, seconds: float, strength: float, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says):
        render_clip(
            still,
            tmp_path / "never.mp4",
            move=CameraMove.PAN_LEFT,
            strength=strength,
            seconds=seconds,
            width=width,
            height=height,
        )


def test_a_still_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "still.png").write_text("<html>502</html>")
    with pytest.raises(BadStill, match=r"still\.png cannot be read"):
        render_clip(
            tmp_path / "still.png",
            tmp_path / "never.mp4",
            move=CameraMove.STATIC,
            strength=0,
            seconds=1,
            width=64,
            height=36,
        )


def test_the_version_is_there_for_cache_keys() -> None:
    assert animatic.RENDERER_VERSION


def test_a_drawn_still_becomes_a_verified_clip_of_ten_seconds(tmp_path: Path) -> None:
    drawn = draw_still("snowy mountains at dawn", width=320, height=180)
    drawn.image.save(tmp_path / "still.png")
    drawn.depth.save(tmp_path / "depth.png")
    target = tmp_path / "clip.mp4"
    render_clip(
        tmp_path / "still.png",
        target,
        move=CameraMove.TRUCK,
        strength=0.5,
        seconds=10,
        width=320,
        height=180,
        depth=tmp_path / "depth.png",
    )
    info = verify_clip(target, Ordered(seconds=10, width=320, height=180, moving=True))
    assert (info.frames, info.seconds) == (240, 10)
