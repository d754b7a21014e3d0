"""Paid clips: what only concerns their format is converted; what only concerns this copy of the file is told apart."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from studio.contracts.clip import CameraMove
from studio.errors import BadClip, ClipUnreadable
from studio.media.conform import conform_to
from studio.media.probe import probe
from studio.media.verify import Ordered, examine_clip, verify_clip
from studio.providers.files import begins_as_video
from tests.studio.media.conftest import Clips, Ff

ORDER = Ordered(seconds=2, width=320, height=180, moving=True)


async def test_a_clip_in_any_decodable_format_becomes_the_one_that_was_ordered(
    clips: Clips, ff: Ff, tmp_path: Path
) -> None:
    good = clips(CameraMove.PAN_RIGHT)
    kinds: dict[str, tuple[tuple[str, ...], str, Fraction]] = {
        "hevc.mp4": (
            ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"),
            "codec hevc",
            Fraction(24),
        ),
        "vp9.webm": (("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"), "codec vp9", Fraction(24)),
        "small.mp4": (("-vf", "scale=160:90"), "size 160x90", Fraction(24)),
        "upright.mp4": (("-vf", "scale=180:320"), "size 180x320", Fraction(24)),
        "both.mp4": (("-vf", "scale=160:90", "-c:v", "mpeg4"), "codec mpeg4, size 160x90", Fraction(24)),
        "fast.mp4": (("-vf", "scale=160:90", "-r", "120"), "size 160x90", Fraction(24)),
        "ntsc.mp4": (("-vf", "scale=160:90", "-r", "30000/1001"), "size 160x90", Fraction(30_000, 1001)),
    }
    for name, (arguments, fault, fps) in kinds.items():
        ff("-i", good, *arguments, tmp_path / name)
        examined = examine_clip(tmp_path / name, ORDER)
        assert ", ".join(one.kind for one in examined.deviations) == fault, name
        with pytest.raises(BadClip, match="instead of"):
            verify_clip(tmp_path / name, ORDER)
        info = await conform_to(tmp_path / name, tmp_path / "conformed.mp4", width=320, height=180)
        assert (info.codec, info.width, info.height, info.pix_fmt) == ("h264", 320, 180, "yuv420p"), name
        assert info.fps == pytest.approx(fps, abs=0.01) and abs(info.seconds - 2) < 0.1, name
        assert examine_clip(tmp_path / "conformed.mp4", ORDER).deviations == (), name


def test_broken_bytes_are_told_from_a_clip_that_is_not_what_was_ordered(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    """Bytes that are no whole video may be this download's fault; black, frozen, too short and silent pictures not."""
    good = clips(CameraMove.PAN_RIGHT).read_bytes()
    damaged = bytearray(good)
    begin = good.index(b"mdat") + len(good) // 3
    damaged[begin : begin + 3_000] = bytes(byte ^ 0x5A for byte in damaged[begin : begin + 3_000])
    broken = {
        "empty": b"",
        "page": b"<html>502</html>",
        "json": b'{"code":500}',
        "noise": bytes(range(256)) * 9,
        "cut off in the picture": good[: len(good) // 2],
        "cut off in the index": good[:600],
        "damaged": bytes(damaged),
    }
    for name, content in broken.items():
        (tmp_path / "clip.mp4").write_bytes(content)
        with pytest.raises(ClipUnreadable):
            examine_clip(tmp_path / "clip.mp4", ORDER)
        assert begins_as_video(content[:12]) is name.startswith(("cut", "damaged")), name
    lavfi = {"black": "color=black:s=320x180:d=2", "frozen": "testsrc=s=320x180:d=0.04,loop=60:1,trim=duration=2"}
    wrong = {name: ("-f", "lavfi", "-i", source) for name, source in lavfi.items()}
    wrong["length 1"] = ("-i", str(clips(CameraMove.PAN_RIGHT)), "-t", "1")
    wrong["no picture"] = ("-f", "lavfi", "-i", "sine=d=2")
    for fault, arguments in wrong.items():
        ff(*arguments, tmp_path / "clip.mp4")
        with pytest.raises(BadClip) as bad:
            examine_clip(tmp_path / "clip.mp4", ORDER)
        assert (type(bad.value), bad.value.fault) == (BadClip, fault)


def test_tags_in_another_encoding_do_not_refuse_a_good_clip(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    tags = (
        "-metadata",
        "title=TITLETITLE",
        "-metadata",
        "artist=ARTISTARTIST",
        "-metadata:s:v",
        "handler_name=HANDLER",
    )
    ff("-i", clips(CameraMove.PAN_RIGHT), "-c", "copy", *tags, tmp_path / "clip.mp4")
    content = (tmp_path / "clip.mp4").read_bytes()
    changed = re.sub(b"TITLETITLE|ARTISTARTIST|HANDLER", lambda tag: b"\xff\xe9\xc3\x28" + tag[0][4:], content)
    assert changed.count(b"\xff\xe9\xc3\x28") == 3
    (tmp_path / "clip.mp4").write_bytes(changed)
    assert examine_clip(tmp_path / "clip.mp4", ORDER).deviations == ()
    assert probe(tmp_path / "clip.mp4").frames == 48
