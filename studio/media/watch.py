"""Is there anything to see, and does it move? Judged from small grey pictures, eight for each second.

Thresholds are for luma of 0 to 255 in thumbnails about 240 pixels wide. They come from measurements on moves of
low strength and on frozen clips written by x264 at 1 to 8 Mbit/s (docs/decisions/0010): none depends on how a video
looks, only on how much noise an encoder makes of a picture that stands still.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

DARK_LUMA = 0.06
"""A pixel below 6 % of the way from black to white is dark: a moonlit sky is above, encoder noise on black below."""

DARK_SHARE = 0.98
"""A frame is dark when nearly nothing in it is lighter (the share that ffmpeg's blackdetect takes, too)."""

LOOKS_PER_SECOND = 8

FROZEN_SECONDS = 1.0
"""A second of rest in a lively clip is a choice; a longer one is a picture that has stopped. Rests are measured up
to 0.3 s too short, because encoders go on improving a picture for a while after it stopped."""
_LIVELY = LOOKS_PER_SECOND / 2
"""Steps per second: a clip in which every other look surely shows something new is lively."""
_SLOW_SHARE = 0.35
"""A slow move (an orbit of 5 pixels in 10 s) stands still between its steps, since the encoder rounds them away.
So does a plain picture. Such a clip is frozen only when one rest takes more than this share of it."""
_WHOLE_SHARE = 0.8
"""A rest that takes this much of a short clip is too long, whatever the limits above say."""

_LOCAL_CHANGE = 8.0
"""Levels, for the average of 8 x 8 pixels: re-encoding what stands still changes it by at most 5."""
_LOCAL_BLOCKS = 3
_BRIGHTNESS = 0.6
"""Levels, over the whole picture; noise alone measures up to 0.05."""
_SHIFT = 0.02
"""Pixels of the thumbnail (0.16 at 1080p) at the edge of the picture; noise alone measures up to 0.013."""
_TURN = 0.045
"""As above; a turn leaves the middle in place and is told from noise less well: up to 0.041."""
_STRUCTURE = 1.0
"""Mean squared slope per pixel, in each direction, below which a shift cannot be told from noise."""
_IDENTICAL = 0.1
"""Levels of the most changed pixel: less is one and the same picture."""
_DRIFT_SHARE = 0.25
"""A drift smaller than this share of the limits is not looked at."""
_DRIFT_CORRELATION = 0.92
"""A single jump, as a key frame makes it, correlates with time by at most 0.87."""

Motion = tuple[float, float, float, float]
"""Shift to the right, shift down, growth and turn, in pixels of the thumbnail at the edge of the picture."""
_LIMITS: Motion = (_SHIFT, _SHIFT, _SHIFT, _TURN)


@dataclass(frozen=True)
class Stretch:
    """From when to when something lasts, in seconds from the start of the clip."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Watch:
    """Shown the thumbnails of a clip one after the other, remembers how long it is dark and when it stands still."""

    def __init__(self, black: float, white: float, shrink: int) -> None:
        """`black` and `white` in luma; a pixel of a thumbnail is the average of `shrink` x `shrink` of the clip."""
        self._dark_below = black + (white - black) * DARK_LUMA
        # Noise falls with the square root of the number of pixels averaged; blocks of an encoder are 8 wide.
        self._local_change = _LOCAL_CHANGE * max(1.0, math.sqrt(8 / shrink))
        self._last: tuple[float, bool] | None = None
        self._reference: tuple[float, Floats] | None = None
        self._since: list[tuple[float, Motion]] = []
        self._steps = 0
        self.dark_seconds = 0.0
        self.longest_still = Stretch(0, 0)

    def see(self, time: float, luma: Floats) -> None:
        """The next thumbnail, (height, width), and when it is shown."""
        self._until(time)
        self._last = (time, float((luma < self._dark_below).mean()) >= DARK_SHARE)
        motion = None if self._reference is None else motion_within_noise(self._reference[1], luma, self._local_change)
        if motion is None:
            self._close_stretch()
            self._reference, self._since = (time, luma), []
            self._steps += not _is_plain(*_slopes(luma, luma))
        else:
            self._since.append((time, motion))

    def end(self, time: float) -> None:
        """The clip is over: its last picture was shown until `time`."""
        self._until(time)
        if self._since:
            self._since.append((time, self._since[-1][1]))
        self._close_stretch()

    def frozen(self, seconds: float) -> Stretch | None:
        """When the picture stood still for too long, in a clip of `seconds` that was to move."""
        still = self.longest_still
        lively = self._steps >= _LIVELY * (seconds - still.seconds)
        limit = FROZEN_SECONDS if lively else max(FROZEN_SECONDS, _SLOW_SHARE * seconds)
        return still if still.seconds > min(limit, _WHOLE_SHARE * seconds) else None

    def _until(self, time: float) -> None:
        if self._last is not None and self._last[1]:
            self.dark_seconds += time - self._last[0]

    def _close_stretch(self) -> None:
        if self._reference is None or not self._since:
            return
        still = Stretch(self._reference[0], self._since[-1][0])
        if still.seconds > self.longest_still.seconds and not _drifts(self._since):
            self.longest_still = still


def motion_within_noise(before: Floats, after: Floats, local_change: float) -> Motion | None:
    """None when two thumbnails surely differ; otherwise the camera motion between them, too small to be sure of.

    Something small may move, the light may change, or the camera moves. The camera is the hard part: a slow zoom
    changes a soft picture by less than the encoder's noise, but everywhere in the same sense. So the motion itself
    is estimated, which averages the noise out.
    """
    change = after - before
    size = np.abs(change)
    if float(size.max()) < _IDENTICAL:
        return 0.0, 0.0, 0.0, 0.0
    if int((size >= local_change).sum()) >= _LOCAL_BLOCKS:
        return None
    down, across = _slopes(before, after)
    if _is_plain(down, across):
        return None  # too plain to tell: of plain pictures only identical ones stand still
    *motion, brightness = camera_motion(change, across, down)
    right, lower, growth, turn = motion
    if abs(brightness) >= _BRIGHTNESS:
        return None
    if any(abs(value) >= limit for value, limit in zip(motion, _LIMITS, strict=True)):
        return None
    return right, lower, growth, turn


def _slopes(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    down, across = np.gradient((before + after) / 2)
    return np.asarray(down), np.asarray(across)


def _is_plain(down: Floats, across: Floats) -> bool:
    return min(float((across**2).mean()), float((down**2).mean())) < _STRUCTURE


def camera_motion(change: Floats, across: Floats, down: Floats) -> tuple[float, float, float, float, float]:
    """Shift right, shift down, growth, turn (pixels at the edge) and how much lighter (levels).

    Least squares on the optical flow constraint, change = -(across * u + down * v) (Lucas and Kanade, 1981), with
    the flow of a camera for (u, v): shift, zoom, and a turn around the upright axis (x * x, x * y).
    """
    height, width = change.shape
    x = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / (width / 2)
    y = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / (width / 2)
    x, y = x.astype(np.float32), y.astype(np.float32)
    flows = (across, down, x * across + y * down, x * x * across + x * y * down, -np.ones_like(change))
    columns = np.stack([flow.ravel() for flow in flows], axis=-1)
    normal = columns.T @ columns
    normal[np.diag_indices(5)] += 1.0  # solvable for every picture; for one with structure it changes nothing
    right, lower, growth, turn, lighter = -np.linalg.solve(normal, columns.T @ change.ravel())
    return float(right), float(lower), float(growth), float(turn), float(lighter)


def _drifts(since: list[tuple[float, Motion]]) -> bool:
    """Whether what looks still is a very slow move: it goes on steadily in one direction, noise does not."""
    times = np.array([time for time, _ in since])
    motions = np.array([motion for _, motion in since])
    for values, limit in zip(motions.T, _LIMITS, strict=True):
        if len(values) >= 6 and np.ptp(values) >= _DRIFT_SHARE * limit:
            if abs(np.corrcoef(times, values)[0, 1]) >= _DRIFT_CORRELATION:
                return True
    return False
