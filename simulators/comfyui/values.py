"""What travels along the links of a graph while it runs: sizes, words and seeds instead of tensors."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Picture:
    """IMAGE or LATENT: `count` frames of one size, and what somebody who draws them has to know."""

    width: int
    height: int
    count: int = 1
    text: str = ""
    seed: int = 0
    pose: str | None = None
    source: Path | None = None
    """The still it is made from."""
    digest: str = ""
    """Of that still's bytes."""


@dataclass(frozen=True)
class Video:
    """VIDEO."""

    picture: Picture
    fps: float


@dataclass(frozen=True)
class Words:
    """CONDITIONING."""

    text: str = ""


@dataclass(frozen=True)
class Camera:
    """WAN_CAMERA_EMBEDDING."""

    pose: str


@dataclass(frozen=True)
class Steps:
    """SIGMAS."""

    count: int


@dataclass(frozen=True)
class Seed:
    """NOISE."""

    number: int
