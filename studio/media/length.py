"""How long a clip has to be: as long as what is said over it, in whole frames."""

import math
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet

from studio.errors import BadSound, InvalidRequest
from studio.media._reading import in_reader

SILENT_SECONDS = 5.0
"""Length of a clip over which nothing is said."""

_READABLE = "wav,mp3,flac,ogg,aac,mov,matroska"
"""Others stay unread: a playlist from outside could name other files."""

_EXACT = 1e-6
"""Frames by which a length may be off without asking for another one: floats are."""


@in_reader(BadSound)
def audio_seconds(path: Path) -> float:
    """How long the sound in a file is, by decoding it: headers of streamed and cut files say something else.

    Blocking, a tenth of a second per ten minutes and more. Raises `BadSound` with the reason in words.
    """
    options = {"format_whitelist": _READABLE, "protocol_whitelist": "file"}
    try:
        with av.open(str(path), options=options) as container:
            if not container.streams.audio:
                raise BadSound(f"{path.name}: there is no sound in it")
            stream = container.streams.audio[0]
            seconds = float(sum(_length(packet, stream) for packet in container.demux(stream)))
    except FileNotFoundError as error:
        raise BadSound(f"{path.name}: there is no such file") from error
    except (av.error.FFmpegError, OSError) as error:
        raise BadSound(f"{path.name}: it is no WAV, MP3, FLAC, Ogg, AAC, M4A or WebM file") from error
    if not seconds:
        raise BadSound(f"{path.name}: there is not one sample of sound in it")
    return seconds


def frames_for(seconds: float | None, fps: Fraction | float) -> int:
    """The frames of a clip that lasts these seconds: never shorter, and less than one frame longer.

    None: nothing is said, five seconds. Raises `InvalidRequest` for a length or a rate that is not above 0.
    """
    length = SILENT_SECONDS if seconds is None else seconds
    if not (length > 0 and fps > 0 and math.isfinite(length)):
        raise InvalidRequest(f"no clip lasts {length:g} s at {float(fps):g} frames per second")
    return max(1, math.ceil(length * fps - _EXACT))


def _length(packet: "Packet[AudioStream]", stream: AudioStream) -> Fraction:
    """Seconds of sound in a packet; of a damaged one, what it should have been."""
    try:
        return sum((Fraction(frame.samples, frame.sample_rate) for frame in packet.decode()), Fraction(0))
    except av.error.FFmpegError:
        return (packet.duration or 0) * (stream.time_base or Fraction(0))
