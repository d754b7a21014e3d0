"""A still as it is sent: what people see, as providers take it, or a reason why not."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from studio.errors import BadStill
from studio.media.still import PreparedStill, StillRules, prepare_still, shown_size
from studio.media.stills import draw_still

KLING = StillRules(least=300, aspect=2.5)
WIDTH, HEIGHT = 640, 360


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return draw_still("a harbour at dawn", width=WIDTH, height=HEIGHT).image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def prepared(content: bytes, **options: Any) -> PreparedStill:
    wanted: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "rules": KLING}
    return prepare_still(content, **(wanted | options))


def pixels(content: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.int16)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_a_plain_picture_keeps_its_bytes(picture: Image.Image) -> None:
    for content in (saved(picture, "PNG"), saved(picture, "JPEG"), saved(picture.convert("L"), "PNG")):
        assert prepared(content) == PreparedStill(content, prepared(content).mime, WIDTH, HEIGHT)


def test_metadata_goes_and_the_pixels_stay_to_the_bit(picture: Image.Image) -> None:
    said = PngImagePlugin.PngInfo()
    said.add_text("prompt", "SECRET-PROMPT")
    for content in (
        saved(picture, "PNG", pnginfo=said),
        saved(picture, "PNG") + b"SECRET-PROMPT behind the end",
        saved(picture, "JPEG", comment=b"SECRET-PROMPT"),
        saved(picture, "JPEG") + b"SECRET-PROMPT in a video behind it",
        saved(picture, "JPEG", progressive=True, exif=exif(1).tobytes() + b"SECRET-PROMPT"),
    ):
        still = prepared(content)
        assert b"SECRET-PROMPT" not in still.content and still.changes == ()
        assert (pixels(still.content) == pixels(content)).all()


def test_a_picture_is_upright_whatever_its_exif_tag_says(picture: Image.Image) -> None:
    turns: dict[int, Callable[[Image.Image], Image.Image]] = {
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    }
    for orientation, turned in turns.items():
        content = saved(turned(picture), "PNG", exif=exif(orientation))
        still = prepared(content)
        assert shown_size(content) == (WIDTH, HEIGHT, "PNG")
        assert (pixels(still.content) == np.asarray(picture.convert("RGB"), np.int16)).all(), orientation
        assert still.changes == ("turned upright as its EXIF tag says",)


def test_every_kind_of_pixel_becomes_8_bit_rgb_that_looks_the_same(picture: Image.Image) -> None:
    grey = picture.convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    unit = Image.fromarray(np.asarray(grey, np.float32) / 255)
    kinds = {
        "16-bit grey": (saved(deep, "PNG"), grey),
        "floating point": (saved(unit, "TIFF"), grey),
        "palette": (saved(picture.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), picture),
        "CMYK": (saved(picture.convert("CMYK"), "JPEG", quality=98), picture),
        "WebP": (saved(picture, "WEBP", lossless=True), picture),
        "TIFF": (saved(picture, "TIFF"), picture),
        "BMP": (saved(picture, "BMP"), picture),
        "two frames": (saved(picture, "GIF", save_all=True, append_images=[grey.convert("RGB")]), picture),
    }
    for name, (content, wanted) in kinds.items():
        still = prepared(content)
        difference = np.abs(pixels(still.content) - np.asarray(wanted.convert("RGB"), np.int16))
        assert difference.mean() < 12 and still.changes, (name, difference.mean())
        assert Image.open(io.BytesIO(still.content)).mode in ("RGB", "L")


def test_transparent_parts_are_put_on_white_and_that_is_said(picture: Image.Image) -> None:
    clear = picture.copy()
    clear.putalpha(0)
    still = prepared(saved(clear, "PNG"))
    assert (pixels(still.content) == 255).all()
    assert still.changes == ("transparent parts were put on white",)


def test_a_colour_profile_is_applied_and_goes(picture: Image.Image) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert prepared(saved(picture, "PNG", icc_profile=srgb)).changes == ()
    assert "icc_profile" not in Image.open(io.BytesIO(prepared(saved(picture, "PNG", icc_profile=srgb)).content)).info


def test_another_shape_is_refused_with_the_numbers_or_cropped_or_padded(picture: Image.Image) -> None:
    content = saved(picture, "PNG")
    with pytest.raises(BadStill, match="640x360 has another shape than the video, 400x400"):
        prepared(content, width=400, height=400)
    cropped, padded = (prepared(content, width=400, height=400, fit=fit) for fit in ("crop", "pad"))
    assert (cropped.width, cropped.height, padded.width, padded.height) == (360, 360, 640, 640)
    assert pixels(padded.content)[0].max() == 0


def test_the_largest_file_becomes_a_jpeg_that_is_small_enough() -> None:
    noise = Image.fromarray(np.random.RandomState(1).randint(0, 256, (600, 600, 3), np.uint8))
    still = prepared(saved(noise, "PNG"), width=600, height=600, rules=StillRules(most_bytes=700_000))
    assert (still.mime, len(still.content) <= 700_000) == ("image/jpeg", True)


def test_what_is_no_picture_or_none_that_is_taken_is_refused_with_what_to_do(picture: Image.Image) -> None:
    png, jpeg = saved(picture, "PNG"), saved(picture, "JPEG")
    damaged = bytearray(png)
    damaged[len(png) // 2] ^= 0xFF
    wide, small = picture.resize((1_000, 360)), picture.resize((320, 180))
    cases = {
        "empty": (b"", "empty"),
        "cut PNG": (png[: len(png) // 2], "cut off or damaged"),
        "cut JPEG": (jpeg[: len(jpeg) // 2], "cut off"),
        "wrong checksum": (bytes(damaged), "damaged"),
        "page": (b"<!doctype html><html>", "web page"),
        "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        "JPEG XL": (b"\xff\x0a\0\0", "JPEG XL"),
        "PDF": (b"%PDF-1.7", "PDF"),
        "video": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "MP4 video"),
        "JSON": (b'{"error": 1}', "JSON"),
        "noise": (bytes(range(256)) * 4, "not a picture"),
        "too small": (saved(small, "PNG"), "smaller than 300 pixels"),
        "too wide": (saved(wide, "PNG"), "longer than 2.5:1"),
        "too many pixels": (saved(Image.new("1", (8_000, 8_000)), "PNG"), "megapixels"),
    }
    wrong = {}
    for name, (content, reason) in cases.items():
        size = {"width": 1_000, "height": 360} if name == "too wide" else {}
        with pytest.raises(BadStill) as refused:
            prepared(content, **size)
        if reason not in str(refused.value):
            wrong[name] = str(refused.value)
    assert wrong == {}


def test_a_jpeg_that_lacks_only_its_end_marker_is_taken(picture: Image.Image) -> None:
    content = saved(picture, "JPEG")
    assert content.endswith(b"\xff\xd9")
    assert prepared(content[:-2]).content == content
