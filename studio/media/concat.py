"""Clips become a video, by copying their streams wherever they agree.

ffmpeg joins whatever it is given and exits with 0: a clip with another time base loses a third of its frames, one of
another size changes the picture in mid-video, one with deeper B-frames overlaps its neighbour. So what has to agree is
compared first (`house_key`), clips that differ are re-encoded one by one, and the video is counted afterwards. Copying
is about 75 times faster than re-encoding; where it fails in spite of all that, every clip is re-encoded.
"""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from studio.errors import BadClip, ClipUnreadable, FfmpegFailed, InvalidRequest
from studio.media import _ffmpeg
from studio.media._part import written_whole
from studio.media.conform import conform
from studio.media.probe import ColourTags, MediaInfo, probe
from studio.media.recipe import PICTURE_ONLY, can_write, h264_options, own_format

MOST_CLIPS = 500

OnFrame = Callable[[int], None]
"""Hears how many frames are done so far: re-encoded and copied ones together."""


class HouseKey(NamedTuple):
    """What clips must have in common to be joined by copying.

    Not the parameter sets (SPS, PPS): they travel with every key frame, and copies of clips with other presets
    came out frame for frame the same.
    """

    codec: str
    profile: str
    width: int
    height: int
    pix_fmt: str
    sample_aspect_ratio: Fraction
    fps: Fraction
    time_base: Fraction
    colour: ColourTags
    reorder: int
    turned: bool
    interlaced: bool


@dataclass(frozen=True)
class Joined:
    """A finished video."""

    info: MediaInfo
    conformed: tuple[int, ...]
    """Places, from 0, of the clips that had to be re-encoded."""
    silenced: tuple[int, ...] = ()
    """Places, from 0, of the clips whose sound is not in the video."""
    tone_mapped: tuple[int, ...] = ()
    """Places, from 0, of the clips whose high dynamic range was mapped to BT.709."""


@dataclass(frozen=True)
class _Piece:
    path: Path
    info: MediaInfo


@dataclass(frozen=True)
class _Written:
    """What is to be written, and who hears of it."""

    target: Path
    title: str
    on_frame: OnFrame | None


def house_key(info: MediaInfo) -> HouseKey:
    """The part of a clip's description that decides whether it can be copied behind another."""
    return HouseKey(
        info.codec,
        info.profile,
        info.width,
        info.height,
        info.pix_fmt,
        info.sample_aspect_ratio,
        info.fps,
        info.time_base,
        info.colour,
        info.reorder,
        info.turned,
        info.interlaced,
    )


def choose_house(infos: Sequence[MediaInfo]) -> MediaInfo:
    """The clip whose format the video takes: the one most clips share, the earlier one if two are as frequent.

    Only formats that `conform` can write compete. If no clip has one, the video takes the first clip's size and
    rate in our own format.
    """
    ours = [info for info in infos if can_write(info) and info.fps]
    if not ours:
        first = infos[0]
        return own_format(first, width=first.shown_width, height=first.shown_height, fps=first.fps or Fraction(24))
    # Counter keeps the order of first appearance, and most_common the order of equals.
    key, _ = Counter(map(house_key, ours)).most_common(1)[0]
    return next(info for info in ours if house_key(info) == key)


async def join(clips: Sequence[Path], target: Path, *, title: str = "", on_frame: OnFrame | None = None) -> Joined:
    """Join 1 to 500 clips into `target` (MP4, no sound, index first), whose metadata names the title.

    The video takes the format most of its clips share; the others are re-encoded to it. Raises `InvalidRequest`
    for no clips or too many, `BadClip` for a file that is no video, `FfmpegFailed` when ffmpeg fails or the video
    does not have exactly the frames and the length of its clips, `ClipUnreadable` with the number of a clip that
    cannot be read. When cancelled, no process and no file is left.
    """
    _check_number(clips)
    infos = [await _probed(clip, number) for number, clip in enumerate(clips, start=1)]
    house = choose_house(infos)
    off = tuple(place for place, info in enumerate(infos) if house_key(info) != house_key(house) or info.hidden)
    silenced = tuple(place for place, info in enumerate(infos) if info.has_audio)
    mapped = tuple(place for place, info in enumerate(infos) if info.hdr)
    try:
        video = await _join(clips, infos, house, off, _Written(target, title, on_frame))
    except FfmpegFailed:
        if len(off) == len(clips):
            raise
        # What the streams say of themselves was not all: none is copied then.
        off = tuple(range(len(clips)))
        house = own_format(house, width=house.shown_width, height=house.shown_height, fps=house.fps)
        video = await _join(clips, infos, house, off, _Written(target, title, on_frame))
    return Joined(video, off, silenced, mapped)


async def _probed(clip: Path, number: int) -> MediaInfo:
    """A clip that is whole; errors name its number."""
    try:
        info = await asyncio.to_thread(probe, clip)
    except BadClip as error:
        raise type(error)(f"clip {number}: {error}") from error
    if info.cut_off:
        raise ClipUnreadable(f"clip {number}: {clip.name}: cut off: {info.frames} of {info.promised} frames are there")
    return info


async def _join(
    clips: Sequence[Path],
    infos: Sequence[MediaInfo],
    house: MediaInfo,
    off: Collection[int],
    written: "_Written",
) -> MediaInfo:
    """Join with the clips at the places `off` re-encoded to `house`; returns what was written."""
    target, on_frame = written.target, written.on_frame
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".join-", ignore_cleanup_errors=True) as folder:
        pieces: list[_Piece] = []
        done = 0
        for place, (clip, info) in enumerate(zip(clips, infos, strict=True)):
            piece = Path(folder) / f"clip_{place:04d}.mp4"
            pieces.append(await _prepare(_Piece(clip, info), piece, house, place in off, _after(on_frame, done)))
            done += info.frames if place in off else 0
        listing = await asyncio.to_thread(_write_list, pieces, Path(folder))
        with written_whole(target) as part:
            arguments = copy_arguments(listing, part, int(1 / house.time_base), listed=True, title=written.title)
            said = await _ffmpeg.run(arguments, on_frame=_after(on_frame, done))
            video = await asyncio.to_thread(probe, part)
            check_video(video, [piece.info for piece in pieces], said)
    return video


async def encode_all(clips: Sequence[Path], target: Path) -> None:
    """Join by one full re-encode: what `join` avoids. Only the benchmark uses it, to compare; clips must agree."""
    _check_number(clips)
    pieces = [_Piece(clip, await asyncio.to_thread(probe, clip)) for clip in clips]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".join-", ignore_cleanup_errors=True) as folder:
        linked = []
        for place, piece in enumerate(pieces):
            linked.append(await _prepare(piece, Path(folder) / f"clip_{place:04d}.mp4", piece.info, False, None))
        listing = await asyncio.to_thread(_write_list, linked, Path(folder))
        with written_whole(target) as part:
            video = _ffmpeg.picture_of(listing, format="concat")
            output = video.output(str(part), **h264_options(pieces[0].info.fps))
            await _ffmpeg.run(output.compile(cmd=_ffmpeg.binary()))


def copy_arguments(source: Path, target: Path, timescale: int, *, listed: bool, title: str = "") -> list[str]:
    """The ffmpeg command that copies the picture of `source`, a clip or (`listed`) a list of clips, without sound.

    Nothing of the sources' metadata is kept; `title` is written.
    """
    video = _ffmpeg.picture_of(source, **({"format": "concat"} if listed else {}))
    named = {"metadata": f"title={title}"} if title else {}
    output = video.output(
        str(target), c="copy", video_track_timescale=timescale, movflags="+faststart", **PICTURE_ONLY, **named
    )
    argv: list[str] = output.compile(cmd=_ffmpeg.binary())
    return argv


def list_text(pieces: Sequence[tuple[str, float]]) -> str:
    """The list that ffmpeg's concat demuxer reads, of names and seconds.

    Names are our own and plain, because its escaping rules are not the shell's. Lengths are written down because
    ffmpeg would take the container's, which is wrong when sound was longer.
    """
    lines = [f"file {name}\nduration {seconds:.6f}\n" for name, seconds in pieces]
    return "ffconcat version 1.0\n" + "".join(lines)


async def _prepare(clip: _Piece, piece: Path, house: MediaInfo, reencode: bool, on_frame: OnFrame | None) -> _Piece:
    """A clip under a plain name, in the house format, without sound."""
    if reencode:
        await conform(clip.path, piece, house, on_frame=on_frame)
    elif clip.info.streams > 1 or clip.path.suffix != ".mp4":
        # Sound delays the first picture (AAC priming), and where it is longer it tears gaps between clips.
        arguments = copy_arguments(clip.path, piece, int(1 / house.time_base), listed=False)
        await _ffmpeg.run(arguments)
    else:
        await asyncio.to_thread(_link, clip.path, piece)
        return _Piece(piece, clip.info)
    info = await asyncio.to_thread(probe, piece)
    if house_key(info) != house_key(house):
        raise FfmpegFailed(f"{clip.path.name} could not be brought to the format of the video's other clips")
    return _Piece(piece, info)


def _link(clip: Path, piece: Path) -> None:
    whole = clip.resolve()  # a hard link to a relative symbolic link would lead nowhere
    try:
        os.link(whole, piece)
    except OSError:  # another file system, or one without hard links
        try:
            piece.symlink_to(whole)
        except OSError:
            shutil.copyfile(whole, piece)


def _write_list(pieces: Sequence[_Piece], folder: Path) -> Path:
    listing = folder / "clips.ffconcat"
    listing.write_text(list_text([(piece.path.name, piece.info.seconds) for piece in pieces]), "ascii")
    return listing


def _check_number(clips: Sequence[Path]) -> None:
    if not 1 <= len(clips) <= MOST_CLIPS:
        raise InvalidRequest(f"a video has 1 to {MOST_CLIPS} clips, not {len(clips)}")


def check_video(video: MediaInfo, clips: Sequence[MediaInfo], said: str) -> None:
    """ffmpeg's exit status says nothing about a join: count what was written."""
    if "Non-monoton" in said:  # "Non-monotonic DTS", in older versions "Non-monotonous DTS"
        raise FfmpegFailed("the clips overlap in time: ffmpeg reports non-monotonic timestamps")
    frames = sum(clip.frames for clip in clips)
    if video.frames != frames:
        raise FfmpegFailed(f"the joined video has {video.frames} frames, its clips have {frames}")
    seconds = sum(clip.seconds for clip in clips)
    frame = float(1 / video.fps) if video.fps else 0.0
    if abs(video.seconds - seconds) > frame:
        raise FfmpegFailed(f"the joined video is {video.seconds:.3f} s long, its clips are {seconds:.3f} s")
    if video.longest_frame > max(clip.longest_frame for clip in clips) + frame / 2:
        raise FfmpegFailed(f"the joined video has a gap of {video.longest_frame:.3f} s that no clip has")


def _after(on_frame: OnFrame | None, done: int) -> OnFrame | None:
    return None if on_frame is None else lambda frames: on_frame(done + frames)
