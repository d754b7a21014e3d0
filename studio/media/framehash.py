"""Digests of decoded frames: are two files the same picture for picture?"""

import hashlib
from pathlib import Path

import av


def frame_hashes(path: Path) -> list[str]:
    """SHA-256 over the planes of every decoded video frame, in display order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return [hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(stream)]
