"""Camera movement in numbers: the poses and speeds of the node WanCameraEmbedding.

Its pans are sideways travel without any turning, so a pan and a truck are the same to it; it has no orbit (its
clockwise poses roll the picture). Such a move gets the nearest travel and is said in words besides.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from studio.contracts.clip import CameraMove

SLOWEST = 0.2
FASTEST = 1.8
"""Speeds at strength 0 and 1; strength 0.5 is the node's own default, 1.0."""


@dataclass(frozen=True)
class Pose:
    """A pose of the node; `exact`: it is what the move means."""

    name: str
    exact: bool = True


POSES: Mapping[CameraMove, Pose] = {
    CameraMove.STATIC: Pose("Static"),
    CameraMove.PAN_LEFT: Pose("Pan Left"),
    CameraMove.PAN_RIGHT: Pose("Pan Right"),
    CameraMove.ZOOM_IN: Pose("Zoom In"),
    CameraMove.ZOOM_OUT: Pose("Zoom Out"),
    CameraMove.ORBIT: Pose("Pan Right", exact=False),
    CameraMove.TRUCK: Pose("Pan Right", exact=False),
}


def speed_of(strength: float) -> float:
    """How fast the camera moves; `strength` from 0 to 1."""
    return round(SLOWEST + (FASTEST - SLOWEST) * strength, 3)
