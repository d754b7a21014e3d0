"""Digests of frames, with which the benchmark compares videos."""

from pathlib import Path

from studio.contracts.clip import CameraMove
from studio.media.framehash import frame_hashes
from tests.studio.media.conftest import Clips, Ff


def test_a_copy_has_the_same_frames_and_a_re_encoded_clip_has_others(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    clip = clips(CameraMove.PAN_LEFT)
    ff("-i", clip, "-c", "copy", "-video_track_timescale", 12_288, tmp_path / "copy.mp4")
    ff("-i", clip, "-crf", 30, tmp_path / "encoded.mp4")
    assert len(frame_hashes(clip)) == 48
    assert frame_hashes(tmp_path / "copy.mp4") == frame_hashes(clip)
    assert set(frame_hashes(tmp_path / "encoded.mp4")).isdisjoint(frame_hashes(clip))
