"""Stills as people bring them, after public bug reports: files in `samples/stills`, and further ones drawn here."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from studio.media.stills import draw_still

SAMPLES = Path(__file__).parent / "samples" / "stills"
TEN_MB = 10_000_000

_TURNS: dict[int, Callable[[Image.Image], Image.Image]] = {
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


def drawn(width: int = 640, height: int = 360) -> Image.Image:
    """A picture that every kind of damage and conversion shows on."""
    return _drawn(width, height).copy()


@cache
def _drawn(width: int, height: int) -> Image.Image:
    return draw_still("a harbour at dawn", width=width, height=height).image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file of this kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int, kind: str, image: Image.Image) -> bytes:
    """The picture stored turned, with the EXIF tag that turns it back."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return saved(_TURNS[orientation](image), kind, exif=tags)


def jpeg_of(size: int) -> bytes:
    """A JPEG of exactly so many bytes, none of which is metadata."""
    plain = saved(drawn(), "JPEG")
    parts, missing = [], size - len(plain)
    while missing:
        length = min(missing, 60_000) if missing != 60_001 else 50_000
        parts.append(b"\xff\xe0" + (length - 2).to_bytes(2, "big") + b"JFXX\0".ljust(length - 4, b"\0"))
        missing -= length
    return plain[:20] + b"".join(parts) + plain[20:]


def made() -> dict[str, bytes]:
    """Name → file; what is too large for the repository."""
    image = drawn()
    png, jpeg = saved(image, "PNG"), saved(image, "JPEG")
    clear = image.copy()
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    border = Image.new("RGBA", image.size, (0, 0, 0, 0))
    border.paste(image.resize((480, 270)), (80, 45))
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", '{"is_changed": NaN, "prompt": "SECRET"}' * 8_000)
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
    palette.info["transparency"] = 0
    second = Image.new("RGB", image.size, "red")
    return {
        "00_ok.jpg": jpeg,
        "02_299x168.jpg": saved(drawn(299, 168), "JPEG"),
        "07_ratio_1_2_6.png": saved(Image.new("RGB", (500, 1_300), "teal"), "PNG"),
        "08_exif6_shows_upright.jpg": turned(6, "JPEG", drawn(360, 640)),
        "09_exif6_shows_16_9.jpg": turned(6, "JPEG", image),
        "10_exif3.jpg": turned(3, "JPEG", image),
        "10b_exif8.png": turned(8, "PNG", image),
        "11_cmyk.jpg": saved(image.convert("CMYK"), "JPEG"),
        "12b_gray.jpg": saved(image.convert("L"), "JPEG"),
        "16_transparent_border.png": saved(border, "PNG"),
        "18_palette_transparent.png": saved(palette, "PNG"),
        "19_one_bit.png": saved(image.convert("1"), "PNG"),
        "20_progressive.jpg": saved(image, "JPEG", progressive=True),
        "21_444.jpg": saved(image, "JPEG", subsampling=0),
        "22_webp_named.png": saved(image, "WEBP"),
        "22b_webp_named.jpg": saved(image, "WEBP", lossless=True),
        "22c_real.webp": saved(image, "WEBP"),
        "24_apng.png": saved(image, "PNG", save_all=True, append_images=[second]),
        "26_avif.avif": saved(image, "AVIF"),
        "27_noise_11_mb.png": saved(
            Image.fromarray(np.random.RandomState(1).randint(0, 256, (1_440, 2_560, 3), np.uint8)),
            "PNG",
            compress_level=1,
        ),
        "28_ten_mb.jpg": jpeg_of(TEN_MB),
        "28b_one_byte_more.jpg": jpeg_of(TEN_MB + 1),
        "29_ten_mib.jpg": jpeg_of(10_485_760),
        "30_cut.jpg": jpeg[: len(jpeg) // 2],
        "31_without_end_marker.jpg": jpeg[:-2],
        "32_video_behind.jpg": jpeg + b"\0\0\0\x18ftypmp42" + bytes(30_000),
        "35_workflow_text.png": saved(image, "PNG", pnginfo=text),
        "37_cut.png": png[: len(png) // 2],
        "38_1x1.png": saved(Image.new("RGB", (1, 1)), "PNG"),
        "45_tiff_named.jpg": saved(image, "TIFF"),
        # further ones of the kinds
        "46_bmp.bmp": saved(image, "BMP"),
        "47_tiff_lzw.tif": saved(image, "TIFF", compression="tiff_lzw"),
        "48_webp_transparent.webp": saved(clear, "WEBP", lossless=True),
        "49_webp_too_small.png": saved(drawn(320, 180), "WEBP"),
        "50_jpeg2000.jp2": saved(image, "JPEG2000"),
        "51_gray_alpha.png": saved(clear.convert("LA"), "PNG"),
        "52_avif_header_only.png": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(200),
        "53_jxl.png": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100),
        "54_mp4.png": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100),
        "55_zip.png": b"PK\x03\x04" + bytes(100),
        "56_json.jpg": b'{"error": "not found"}',
        "57_text.png": b"hello, this is no picture at all\n" * 20,
        "58_exif_turned_square.jpg": turned(6, "JPEG", drawn(400, 400)),
    }
