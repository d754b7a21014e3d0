"""Stills at both doors: what people write into a video file, and what services put into the object store."""

import asyncio
import io
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from temporalio.testing import ActivityEnvironment

from activities._stills import PreparedStills
from activities.intake import IntakeActivities
from commands.video_file import BuiltVideo, VideoFileInvalid, build_video, put_stills, read_video_file
from studio.contracts.clip import ClipRequest
from studio.contracts.video import VideoRequest, VideoToCheck
from studio.errors import InvalidRequest
from studio.objects.store import ObjectStore, StorePlace, open_store
from studio.store.pool import Database
from studio.store.takes import TakeStore
from tests.studio.media.still_cases import SAMPLES, drawn, made, saved

WIDE, HIGH = {"width": 1_920, "height": 1_080}, {"width": 1_080, "height": 1_920}
SHOWN: dict[str, str] = {
    "00_ok.jpg": "",
    "00_ok_1920x1080.png": "",
    "03_534x300_exactly_300.png": "",
    "09_exif6_shows_16_9.jpg": "turned upright",
    "10_exif3.jpg": "turned upright",
    "10b_exif8.png": "turned upright",
    "11_cmyk.jpg": "converted from CMYK to RGB",
    "12_gray.png": "",
    "12b_gray.jpg": "",
    "13_gray16.png": "8 bits",
    "14_rgb48.png": "8 bits",
    "15_alpha_gradient.png": "put on white",
    "16_transparent_border.png": "put on white",
    "17_palette.png": "from mode P to RGB",
    "18_palette_transparent.png": "put on white",
    "19_one_bit.png": "from mode 1 to RGB",
    "20_progressive.jpg": "",
    "21_444.jpg": "",
    "22_webp_named.png": "converted from WEBP to PNG",
    "22b_webp_named.jpg": "converted from WEBP to PNG",
    "22c_real.webp": "converted from WEBP to PNG",
    "23_animated_gif_named.png": "the first of",
    "24_apng.png": "the first of 2 pictures",
    "26_avif.avif": "converted from AVIF to PNG",
    "27_noise_11_mb.png": "at most 10,000,000 are accepted: encoded anew as JPEG",
    "28_ten_mb.jpg": "",
    "28b_one_byte_more.jpg": "10,000,001 bytes, at most 10,000,000 are accepted",
    "29_ten_mib.jpg": "10,485,760 bytes, at most 10,000,000 are accepted",
    "31_without_end_marker.jpg": "",
    "32_video_behind.jpg": "",
    "34_png_trailing_text.png": "",
    "35_workflow_text.png": "",
    "42_1919x1080_odd.png": "",
    "43_1920x1088_comfy.png": "",
    "44_flat_colour.png": "",
    "45_tiff_named.jpg": "converted from TIFF to PNG",
    "46_bmp.bmp": "converted from BMP to PNG",
    "47_tiff_lzw.tif": "converted from TIFF to PNG",
    "48_webp_transparent.webp": "put on white",
    "50_jpeg2000.jp2": "converted from JPEG2000 to PNG",
    "51_gray_alpha.png": "put on white",
}
"""Name → what is done to it, as the user reads it; nothing: it is used as it is, but for its metadata."""
REFUSED: dict[str, tuple[str, ...]] = {
    "01_338x191.png": ("338x191", "smaller than 300 pixels"),
    "02_299x168.jpg": ("299x168", "smaller than 300 pixels"),
    "04_square_299x299.png": ("299x299 has another shape than the video, 1920x1080", "fit: crop"),
    "05_ratio_2_6_1300x500.png": ("1300x500 has another shape",),
    "07_ratio_1_2_6.png": ("500x1300 has another shape",),
    "08_exif6_shows_upright.jpg": ("360x640 has another shape than the video, 1920x1080",),
    "25_heic_header_only.jpg": ("HEIC", "PNG or JPEG", "magick"),
    "30_cut.jpg": ("cut off",),
    "33_png_bad_checksum.png": ("damaged",),
    "36_bomb_20000x20000_1bit.png": ("megapixels",),
    "37_cut.png": ("cut off or damaged",),
    "38_1x1.png": ("1x1",),
    "39_empty.png": ("empty",),
    "40_html.png": ("web page",),
    "41_svg_named.png": ("SVG",),
    "49_webp_too_small.png": ("320x180 is smaller than 300 pixels", "WEBP"),
    "52_avif_header_only.png": ("AVIF", "PNG or JPEG"),
    "53_jxl.png": ("JPEG XL", "magick"),
    "54_mp4.png": ("MP4 video", "ffmpeg"),
    "55_zip.png": ("zip",),
    "56_json.jpg": ("JSON",),
    "57_text.png": ("not a picture",),
    "58_exif_turned_square.jpg": ("400x400 has another shape",),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    for name, content in made().items():
        (folder / name).write_bytes(content)
    for sample in SAMPLES.iterdir():
        (folder / sample.name).write_bytes(sample.read_bytes())
    return folder


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_store(StorePlace(url=(tmp_path / "objects").as_uri()))


def built(folder: Path, names: list[str], scratch: Path, **fields: Any) -> BuiltVideo:
    """What the command line makes of a video file with these stills."""
    scratch.mkdir(exist_ok=True)
    clips = [{"still": name, "prompt": "Waves roll. Slow pan right."} for name in names]
    path = folder / "video.yaml"
    path.write_text(yaml.safe_dump({"video": "v", "channel": "demo", "clips": clips} | fields, sort_keys=False))
    return build_video(path, read_video_file(path), scratch)


def refusals(folder: Path, names: list[str], scratch: Path, **fields: Any) -> list[str]:
    with pytest.raises(VideoFileInvalid) as refused:
        built(folder, names, scratch, **fields)
    return str(refused.value).splitlines()


class Door:
    """The check that every caller's video passes before anything is spent."""

    def __init__(self, objects: ObjectStore, database: Database, folder: Path) -> None:
        self.objects = objects
        stills = PreparedStills(objects, work_dir=folder / "work")
        self._check = IntakeActivities(objects, TakeStore(database), stills).check_video

    async def refusals(self, folder: Path, names: list[str], **fields: Any) -> list[str]:
        """The files as a service brings them, untouched."""
        clips = []
        for number, name in enumerate(names, start=1):
            key = f"channels/demo/brought/{number}{Path(name).suffix}"
            still = await self.objects.put(folder / name, key, "image/png")
            clips.append(ClipRequest(number=number, still=still, prompt="Waves roll. Slow pan right."))
        request = VideoRequest.model_validate({"channel": "demo", "video_id": "v", "clips": clips} | fields)
        try:
            await ActivityEnvironment().run(self._check, VideoToCheck(request=request))
        except InvalidRequest as error:
            return str(error).splitlines()
        return []


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


async def test_every_still_that_can_be_used_is_prepared_for_kling(
    folder: Path, tmp_path: Path, objects: ObjectStore, database: Database
) -> None:
    names = list(SHOWN)
    video = await asyncio.to_thread(built, folder, names, tmp_path / "scratch")
    said = {note.split(": ")[1]: note for note in video.notes}
    wrong = {name: said.get(name, "") for name, words in SHOWN.items() if words not in said.get(name, "")}
    wrong |= {name: said[name] for name, words in SHOWN.items() if not words and name in said}
    assert wrong == {}
    lines = (folder / "video.yaml").read_text().splitlines()
    for name, note in said.items():  # `line 12, clip 4, still: NAME: …`, as editors count
        place, clip = note.split(", ")[:2]
        assert f"still: {name}" in lines[int(place.removeprefix("line ")) - 1], note
        assert int(clip.removeprefix("clip ")) == names.index(name) + 1
    await put_stills(video, objects)
    for name, made_of in zip(names, video.request.clips, strict=True):
        content = await objects.read(made_of.still)
        picture = opened(content)
        assert picture.format in ("PNG", "JPEG") and picture.mode in ("RGB", "L"), name
        assert min(picture.size) >= 300 and len(content) <= 10_000_000, name
        assert picture.getexif() == {} and b"SECRET" not in content and b"ftypmp42" not in content, name
        assert (made_of.still.mime == "image/png") == (picture.format == "PNG"), name
    door = Door(objects, database, tmp_path)
    assert await door.refusals(folder, names) == []
    metadata = {"31_without_end_marker.jpg", "32_video_behind.jpg", "34_png_trailing_text.png", "35_workflow_text.png"}
    different = {(folder / name).read_bytes() for name in said.keys() | metadata}
    assert len(await objects.keys("channels/demo/stills/")) == len(different)


async def test_every_still_that_cannot_be_used_is_refused_with_what_to_do(
    folder: Path, tmp_path: Path, objects: ObjectStore, database: Database
) -> None:
    names = list(REFUSED)
    lines = await asyncio.to_thread(refusals, folder, names, tmp_path / "scratch")
    written = (folder / "video.yaml").read_text().splitlines()
    assert len(lines) == len(names)
    for number, (name, line) in enumerate(zip(names, lines, strict=True), start=1):
        place = next(n for n, text in enumerate(written, start=1) if f"still: {name}" in text)
        assert line.startswith(f"line {place}, clip {number}, still: {name}: "), line
        assert [part for part in REFUSED[name] if part not in line] == [], line
    door = Door(objects, database, tmp_path)
    answers = [(await door.refusals(folder, [name]))[0] for name in names]
    said = {name: answer for name, answer in zip(names, answers, strict=True)}
    assert {
        name: answer
        for name, answer in said.items()
        if not answer.startswith("clips.0.still: 1.") or any(part not in answer for part in REFUSED[name])
    } == {}


async def test_a_video_of_another_shape_takes_other_stills(
    folder: Path, tmp_path: Path, objects: ObjectStore, database: Database
) -> None:
    """Judged as shown, and within what Kling takes, whatever the shape of the video is."""
    taken: tuple[tuple[str, dict[str, Any]], ...] = (
        ("06_ratio_2_5_1250x500.png", {"width": 1_250, "height": 500}),
        ("08_exif6_shows_upright.jpg", HIGH),
        ("58_exif_turned_square.jpg", {"aspect": "1:1"}),
    )
    refused: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("05_ratio_2_6_1300x500.png", {"width": 1_300, "height": 500}, "longer than 2.5:1"),
        ("07_ratio_1_2_6.png", {"width": 500, "height": 1_300}, "longer than 2.5:1"),
        ("04_square_299x299.png", {"aspect": "1:1"}, "299x299 is smaller than 300 pixels"),
        ("09_exif6_shows_16_9.jpg", HIGH, "640x360 has another shape than the video, 1080x1920"),
        ("04_square_299x299.png", WIDE | {"fit": "crop"}, "299x168 is smaller than 300 pixels"),
    )
    door, scratch = Door(objects, database, tmp_path), tmp_path / "scratch"
    for name, fields in taken:
        assert len((await asyncio.to_thread(built, folder, [name], scratch, **fields)).request.clips) == 1
        assert await door.refusals(folder, [name], **fields) == []
    for name, fields, why in refused:
        (line,) = await asyncio.to_thread(refusals, folder, [name], scratch, **fields)
        (answer,) = await door.refusals(folder, [name], **fields)
        assert why in line and why in answer, (line, answer)
    # Our own engines have no such limits.
    for provider in ("animatic", "comfyui"):
        wide: dict[str, Any] = {"provider": provider, "width": 1_300, "height": 500}
        assert "longer" not in " ".join(await door.refusals(folder, ["05_ratio_2_6_1300x500.png"], **wide))


def sizes(video: BuiltVideo) -> list[tuple[int, int]]:
    return [opened(video.stills[clip.still.key].path.read_bytes()).size for clip in video.request.clips]


def test_stills_of_another_shape_are_cropped_or_padded_where_the_file_says_so(tmp_path: Path) -> None:
    for name, size in (("wide.png", (1_280, 720)), ("square.png", (900, 900)), ("upright.png", (600, 1_200))):
        (tmp_path / name).write_bytes(saved(drawn(*size), "PNG"))
    names = ["wide.png", "square.png", "upright.png"]
    video = built(tmp_path, names, tmp_path / "scratch", aspect="16:9", fit="crop")
    assert sizes(video) == [(1_280, 720), (900, 506), (600, 338)]
    assert [note.partition(": ")[2] for note in video.notes] == [
        "square.png: cropped from 900x900 to 900x506",
        "upright.png: cropped from 600x1200 to 600x338",
    ]
    video = built(tmp_path, names, tmp_path / "scratch", aspect="9:16", fit="pad")
    assert (video.request.width, video.request.height) == (1_080, 1_920)
    assert sizes(video) == [(1_280, 2_276), (900, 1_600), (675, 1_200)]
    # A clip may say otherwise than its video.
    path = tmp_path / "mixed.yaml"
    clips = "".join(
        f"  - {{still: {name}, fit: {fit}, prompt: Waves roll.}}\n"
        for name, fit in zip(names, ("refuse", "pad", "crop"), strict=True)
    )
    path.write_text(f"video: v\nchannel: demo\naspect: 16:9\nclips:\n{clips}")
    mixed = build_video(path, read_video_file(path), tmp_path / "scratch")
    assert sizes(mixed) == [(1_280, 720), (1_600, 900), (600, 338)]


def test_an_aspect_is_written_as_people_write_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(drawn(), "PNG"))
    clip = "clips:\n  - {still: a.png, prompt: Waves roll.}\n"

    def shape(text: str) -> tuple[int, int] | str:
        path = tmp_path / "video.yaml"
        path.write_text(f"video: v\nchannel: demo\nprovider: animatic\nfit: crop\n{text}\n{clip}")
        try:
            request = build_video(path, read_video_file(path), tmp_path).request
        except VideoFileInvalid as error:
            return str(error)
        return request.width, request.height

    right: dict[str, tuple[int, int]] = {
        "aspect: 9:16": (1_080, 1_920),
        'aspect: "16:9"': (1_920, 1_080),
        "aspect: 1:1": (1_080, 1_080),
        "aspect: 4:5  # as feeds show it": (1_080, 1_350),
        "aspect: 2.39:1": (2_582, 1_080),
        "aspect: 21:9": (2_520, 1_080),
        "aspect: 9:16\nwidth: 720": (720, 1_280),
        "aspect: 9:16\nheight: 1280": (720, 1_280),
        "aspect: 16:9\nwidth: 1280\nheight: 720": (1_280, 720),
        "aspect:": (1_920, 1_080),
    }
    assert {text: shape(text) for text in right} == right
    wrong = {
        "aspect: 9x16": "line 5, aspect: must be width:height such as 16:9",
        "aspect: portrait": "line 5, aspect: must be width:height",
        "aspect: 0:9": "line 5, aspect: must be width:height",
        "aspect: 99:1": "line 5, aspect: 99:1 is longer than",
        "aspect: 9:16\nwidth: 1920\nheight: 1080": "aspect 9:16 and 1920x1080 are two shapes",
        "aspect: 9:16\nfit: zoom": "fit",
        "Aspect: 9:16": "did you mean aspect?",
    }
    said = {text: shape(text) for text in wrong}
    assert {text: words for text, words in said.items() if wrong[text] not in str(words)} == {}


_opened: Counter[str] = Counter()


def _count_opened(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], (str, Path)):
        _opened[str(arguments[0])] += 1


def test_a_still_of_many_clips_is_read_once_and_stored_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(drawn(), "PNG"))
    (tmp_path / "b.webp").write_bytes(saved(drawn(), "WEBP"))
    sys.addaudithook(_count_opened)
    _opened.clear()
    video = built(tmp_path, ["a.png", "b.webp"] * 250, tmp_path / "scratch")
    reads = {name: _opened[str(tmp_path / name)] for name in ("a.png", "b.webp")}
    assert reads == {"a.png": 1, "b.webp": 1}
    assert [key.rpartition("/")[2] for key in video.stills] == ["clip_01.png", "clip_02.png"]
    (note,) = video.notes
    assert note.endswith("b.webp: converted from WEBP to PNG (and 249 more clips with this still)")


async def test_the_check_of_a_service_looks_at_a_still_of_many_clips_once(
    tmp_path: Path, objects: ObjectStore, database: Database
) -> None:
    (tmp_path / "a.webp").write_bytes(saved(drawn(), "WEBP"))
    still = await objects.put(tmp_path / "a.webp", "channels/demo/brought/a.webp", "image/webp")
    clips = [ClipRequest(number=n, still=still, prompt=f"Waves roll {n} times.") for n in range(1, 201)]
    request = VideoRequest(channel="demo", video_id="v", clips=clips)
    stills = PreparedStills(objects, work_dir=tmp_path / "work")
    check = IntakeActivities(objects, TakeStore(database), stills).check_video
    sys.addaudithook(_count_opened)
    await ActivityEnvironment().run(check, VideoToCheck(request=request))
    (made_of_it,) = await objects.keys("channels/demo/stills/")
    # What was prepared is found again by another worker, which needs the still itself no more.
    await objects.delete(still.key)
    await ActivityEnvironment().run(
        IntakeActivities(objects, TakeStore(database), PreparedStills(objects, work_dir=tmp_path)).check_video,
        VideoToCheck(request=request),
    )
    assert await objects.keys("channels/demo/stills/") == [made_of_it]
