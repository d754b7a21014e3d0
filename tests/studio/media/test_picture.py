"""Which pictures a provider takes."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from studio.errors import BadStill
from studio.media.picture import PictureInfo, probe_picture
from studio.media.stills import Still


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def refusal(data: bytes | Path) -> str:
    with pytest.raises(BadStill) as caught:
        probe_picture(data)
    return str(caught.value)


def test_png_and_jpeg_are_taken_as_bytes_and_as_files(drawn: Still, tmp_path: Path) -> None:
    for format, mime in (("PNG", "image/png"), ("JPEG", "image/jpeg")):
        data = encoded(drawn.image, format)
        path = tmp_path / "still.bin"  # what counts is the content, not the name
        path.write_bytes(data)
        assert probe_picture(data) == probe_picture(path) == PictureInfo(640, 360, mime)  # type: ignore[arg-type]  # a literal


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA", "I;16"])
def test_every_kind_of_png_is_taken(mode: str) -> None:
    assert probe_picture(encoded(Image.new(mode, (20, 10)), "PNG")).mime == "image/png"


def test_jpegs_for_print_are_taken() -> None:
    assert probe_picture(encoded(Image.new("CMYK", (20, 10)), "JPEG")).mime == "image/jpeg"


@pytest.mark.parametrize("format", ["WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(drawn: Still, format: str) -> None:
    assert refusal(encoded(drawn.image, format)) == "the picture is not a PNG or JPEG picture"


def test_what_is_no_picture_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "still.png").write_text("<html>404</html>")
    assert refusal(tmp_path / "still.png") == "still.png is not a PNG or JPEG picture"
    assert refusal(b"") == "the picture is empty"
    assert "still.jpg cannot be opened" in refusal(tmp_path / "still.jpg")


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused(drawn: Still, format: str, share: float) -> None:
    data = encoded(drawn.image, format)
    assert "cut off or damaged" in refusal(data[: int(len(data) * share)])


def test_a_png_with_a_wrong_checksum_is_refused(drawn: Still) -> None:
    for place in (0.5, 1):  # in the middle of the pixels, and their checksum itself, before the 12 bytes of IEND
        data = bytearray(encoded(drawn.image, "PNG"))
        data[int(len(data) * place) - 14] ^= 0xFF
        assert "cut off or damaged" in refusal(bytes(data))


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(8_000, 8_000), (12_000, 10_000), (60_000, 60_000)])
def test_decompression_bombs_are_refused_before_they_go_off(width: int, height: int) -> None:
    bomb = png_that_claims(width, height)
    assert len(bomb) < 2_000
    assert "more than 50 megapixels" in refusal(bomb)


def test_a_bomb_in_the_text_of_a_png_is_refused() -> None:
    text = b"Comment\x00\x00" + zlib.compress(bytes(200_000_000))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    data = encoded(Image.new("RGB", (20, 10)), "PNG")
    assert "cut off or damaged" in refusal(data[:33] + chunk + data[33:])
