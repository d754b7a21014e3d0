"""Chance and texture for drawn stills: the same for the same seed, today and after every numpy upgrade.

`RandomState` is numpy's frozen generator (NEP 19): its streams never change. `Generator`'s may.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating[Any]]


class Dice:
    """Everything random about one picture, thrown in a fixed order."""

    def __init__(self, *what: object) -> None:
        digest = hashlib.sha256("\x1f".join(map(str, what)).encode()).digest()
        self._state = np.random.RandomState(list(np.frombuffer(digest, "<u4")))

    def between(self, low: float, high: float) -> float:
        return float(self._state.uniform(low, high))

    def below(self, count: int) -> int:
        return int(self._state.randint(count))

    def many(self, *shape: int) -> Floats:
        """Evenly spread numbers from 0 to 1."""
        return self._state.random_sample(shape).astype(np.float32)

    def grain(self, height: int, width: int) -> Floats:
        """Bell-curved numbers around 0, deviation 1."""
        return self._state.standard_normal((height, width)).astype(np.float32)

    def line(self, length: int, bumps: float, octaves: int, roughness: float = 0.5) -> Floats:
        """Fractal noise along a line, about -1 to 1: `bumps` hills, each octave half as long and `roughness` as high.

        Value noise with Perlin's smoothstep between the points.
        """
        total = np.zeros(length, np.float32)
        height, heights = 1.0, 0.0
        for octave in range(octaves):
            points = self.many(int(bumps * 2**octave) + 3) * 2 - 1
            place = np.arange(length, dtype=np.float32) * (bumps * 2**octave / length)
            index = place.astype(np.int32)
            share = place - index
            share = share * share * (3 - 2 * share)
            total += height * (points[index] * (1 - share) + points[index + 1] * share)
            heights += height
            height *= roughness
        return total / np.float32(heights)

    def field(self, height: int, width: int, across: float, down: float, octaves: int) -> Floats:
        """Fractal noise over an area, about 0 to 1, with `across` x `down` blobs in its coarsest octave.

        Drawn at half size: the finest octaves are soft, and it is four times faster.
        """
        rows, columns = max(2, height // 2), max(2, width // 2)
        total = np.zeros((rows, columns), np.float32)
        weight, weights = 1.0, 0.0
        for octave in range(octaves):
            cells = (max(2, round(down * 2**octave)), max(2, round(across * 2**octave)))
            if octave and (cells[0] > rows or cells[1] > columns):
                break
            total += weight * _stretched(self.many(*cells), rows, columns)
            weights += weight
            weight /= 2
        return _stretched(total / np.float32(weights), height, width)


def _stretched(values: Floats, height: int, width: int) -> Floats:
    image = Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)
