"""What a file says of its own making."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.contracts.clip import CameraMove
from studio.media.provenance import leave_only
from tests.studio.media.conftest import Clips, Ff

TAGS = {"longtake": '{"take": "ab12", "attempt": 1}'}


async def test_a_clip_keeps_its_frames_and_says_only_what_it_is_told_to(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    source, target = tmp_path / "told.mp4", tmp_path / "bare.mp4"
    movflags = ("-movflags", "use_metadata_tags")
    ff("-i", clips(CameraMove.PAN_LEFT), "-c", "copy", *movflags, "-metadata", "prompt=a secret plot", source)
    await leave_only(source, target, TAGS)
    with av.open(str(target)) as bare, av.open(str(source)) as told:
        assert told.metadata["prompt"] == "a secret plot"
        assert bare.metadata["longtake"] == TAGS["longtake"]
        assert "prompt" not in bare.metadata
        packets = [[bytes(packet) for packet in file.demux(video=0)] for file in (bare, told)]
        assert packets[0] == packets[1]
    assert b"a secret plot" not in target.read_bytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_a_picture_keeps_its_pixels_and_says_only_what_it_is_told_to(mode: str, tmp_path: Path) -> None:
    source, target = tmp_path / "told.png", tmp_path / "bare.png"
    said = PngInfo()
    said.add_text("prompt", "a secret plot")
    noise = Image.effect_noise((64, 48), 90).convert(mode)
    noise.save(source, pnginfo=said)
    await leave_only(source, target, TAGS)
    assert b"a secret plot" in source.read_bytes()
    assert b"a secret plot" not in target.read_bytes()
    with Image.open(target) as bare:
        bare.load()
        assert bare.info["longtake"] == TAGS["longtake"]
        assert (np.asarray(bare) == np.asarray(noise)).all()
