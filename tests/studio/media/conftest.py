"""Clips to look at: drawn and encoded once per session, small, and real."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.contracts.clip import CameraMove
from studio.media._ffmpeg import binary
from studio.media.animatic import render_clip
from studio.media.stills import Still, draw_still

Ff = Callable[..., None]
Clips = Callable[..., Path]


def _ff(*arguments: object) -> None:
    command = [binary(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def ff() -> Ff:
    """Runs ffmpeg as anybody could, to make files that are not ours."""
    return _ff


@pytest.fixture(scope="session")
def drawn() -> Still:
    return draw_still("a city street at night", seed=2, width=640, height=360)


@pytest.fixture(scope="session")
def still(drawn: Still, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("still") / "clip_01.png"
    drawn.image.save(path)
    return path


@pytest.fixture(scope="session")
def depth(drawn: Still, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("depth") / "clip_01_depth.png"
    drawn.depth.save(path)
    return path


@pytest.fixture(scope="session")
def texture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft blobs all over: a picture in which every movement can be measured everywhere."""
    path = tmp_path_factory.mktemp("texture") / "blobs.png"
    blobs().save(path)
    return path


def blobs() -> Image.Image:
    noise = np.random.RandomState(5).random_sample((15, 27)).astype(np.float32) * 200 + 28
    return Image.fromarray(noise).resize((640, 360), Image.Resampling.BICUBIC).convert("RGB")


@pytest.fixture(scope="session")
def clips(still: Path, tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """`clips(move, ...)` is a clip by the local renderer; the same order is rendered once."""
    folder = tmp_path_factory.mktemp("clips")

    def clip(
        move: CameraMove = CameraMove.ZOOM_IN,
        *,
        seconds: float = 2,
        strength: float = 0.8,
        fps: int = 24,
        width: int = 320,
        height: int = 180,
        of: Path = still,
    ) -> Path:
        path = folder / f"{of.stem}_{move}_{seconds}_{strength}_{fps}_{width}x{height}.mp4"
        if not path.exists():
            render_clip(of, path, move=move, strength=strength, seconds=seconds, fps=fps, width=width, height=height)
        return path

    return clip


@pytest.fixture(scope="session")
def good(clips: Clips) -> Path:
    """Five seconds that move, 320x180 at 24 frames per second, as ordered."""
    return clips(CameraMove.PAN_RIGHT, seconds=5)
