"""A still as providers take it: upright, RGB, 8 bits per channel, without metadata, of the video's shape.

Models see the bytes, people see the picture: a photograph that its EXIF tag turns, a transparent PNG and a CMYK
scan look different to the two. `prepare_still` makes one picture of both, before anything is paid for. A file that
is such a picture already keeps its pixels to the bit; only metadata, prompts included, is cut out of it.
"""

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from studio.contracts.clip import Fit
from studio.errors import BadStill
from studio.media import _still_bytes

STILL_VERSION = "still-1"
"""Part of the key of a prepared still: changes when the same file would give another picture."""
PIXEL_LIMIT = 50_000_000
"""Width times height. A few kilobytes can unpack to gigabytes; 8K is 33 million."""
BACKGROUND = (255, 255, 255)
"""The colour below transparent parts: what picture viewers and web pages show."""
ASPECT_TOLERANCE = 0.02
"""How far a still's shape may be from the video's without `fit`."""

Mime = Literal["image/png", "image/jpeg"]

_READABLE = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO")
_PLAIN = {"PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg"}
_ORIENTATION = 0x0112
_QUALITIES = (95, 90, 85, 75, 60)


@dataclass(frozen=True)
class StillRules:
    """What an engine takes.

    Attributes:
        least: smallest width and height in pixels.
        aspect: largest ratio of the longer to the shorter side; 0: any.
        most_bytes: largest file, 10 MB being 10,000,000 bytes.
    """

    least: int = 16
    aspect: float = 0
    most_bytes: int = 10_000_000


@dataclass(frozen=True)
class PreparedStill:
    """A still as it is sent.

    Attributes:
        content: PNG or JPEG, RGB or grey, 8 bits per channel, no metadata.
        changes: what was done to the picture, as sentences; empty when it is as it was.
        fitted: whether it was cropped or padded.
    """

    content: bytes
    mime: Mime
    width: int
    height: int
    changes: tuple[str, ...] = ()
    fitted: bool = False


def prepare_still(content: bytes, *, width: int, height: int, fit: Fit = "refuse", rules: StillRules) -> PreparedStill:
    """The still as an engine takes it, for a video of `width` x `height` pixels.

    Equal inputs give equal bytes with equal versions of Pillow. Formats other than PNG and JPEG, and whatever is not
    8-bit RGB or grey, become PNG, or JPEG where a PNG would be larger than `rules.most_bytes`.

    Raises:
        BadStill: no picture, damaged, a format that cannot be read, too small, too large, or of another shape.
    """
    return _prepared(content, rules, lambda image, changes: _fitted(image, width, height, fit, changes))


def prepare_picture(content: bytes, *, rules: StillRules) -> PreparedStill:
    """The same for a picture that may have any shape. Raises as `prepare_still` does."""
    return _prepared(content, rules, lambda image, changes: image)


def _prepared(
    content: bytes, rules: StillRules, fitting: Callable[[Image.Image, list[str]], Image.Image]
) -> PreparedStill:
    opened, changes, kind = _opened(content)
    try:
        upright = _upright(opened, changes)
        image = fitting(upright, changes)
        _check_size(image, rules)
        plain = None if changes else _still_bytes.without_metadata(content)
        if plain is not None and len(plain) <= rules.most_bytes:
            return PreparedStill(plain, _mime(plain), image.width, image.height)
        encoded = _encoded(image, rules.most_bytes)
    except BadStill as error:
        named = kind in _PLAIN or kind in str(error)
        raise BadStill(str(error) if named else f"{error} (the file is {kind}, whatever its name says)") from None
    if plain is not None:
        how = "JPEG" if _mime(encoded) == "image/jpeg" else "PNG"
        changes.append(f"{len(plain):,} bytes, at most {rules.most_bytes:,} are accepted: encoded anew as {how}")
    elif not changes:
        changes.append("converted to 8 bits per channel")
    return PreparedStill(
        encoded, _mime(encoded), image.width, image.height, tuple(changes), fitted=image.size != upright.size
    )


def shown_size(content: bytes) -> tuple[int, int, str]:
    """Width and height as the picture is shown, turned by its EXIF tag, and its format: `JPEG`. Reads the header only.

    Raises:
        BadStill: no picture, or a format that cannot be read.
    """
    with _reading(content) as image:
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        size = (image.height, image.width) if turned else image.size
        return *size, "JPEG" if image.format == "MPO" else str(image.format)


def _opened(content: bytes) -> tuple[Image.Image, list[str], str]:
    """The decoded first picture of a file, what was done to it so far, and its format."""
    changes: list[str] = []
    ended = _still_bytes.with_end_marker(content)
    with _reading(ended) as image:
        kind, frames = str(image.format), getattr(image, "n_frames", 1)
        if kind == "PNG":
            _decoding(lambda: _verified(content))
        if kind not in _PLAIN:
            changes.append(f"converted from {kind} to PNG")
        if frames > 1 and kind != "MPO":
            changes.append(f"the first of {frames} pictures was taken")
        image.seek(0)
        _decoding(image.load)
        if ended is not content and _ends_in_grey(image):
            raise BadStill("cut off: the file ends before its picture does")
        return image.copy(), changes, kind


def _ends_in_grey(image: Image.Image) -> bool:
    """Whether the last block of a JPEG has no data: libjpeg fills such blocks with the middle of the range."""
    block = image.crop((image.width - min(8, image.width), image.height - 1, image.width, image.height))
    return all(channel.getextrema() == (128, 128) for channel in block.convert("YCbCr").split())


def _verified(content: bytes) -> None:
    with _reading(content) as image:
        image.verify()  # the checksums of PNG; it leaves the picture unusable


def _reading(content: bytes) -> Image.Image:
    """The file's picture, not decoded yet."""
    if not content:
        raise BadStill("the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd tags and of large pictures; both are judged here
        Image.init()  # without it Pillow knows the five most usual formats only
        try:
            image = Image.open(io.BytesIO(content), formats=[name for name in _READABLE if name in Image.OPEN])
        except Image.DecompressionBombError:
            raise BadStill(_too_many_pixels()) from None
        except UnidentifiedImageError:
            raise BadStill(_still_bytes.why_unreadable(content)) from None
        except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError, OverflowError) as error:
            raise BadStill(f"cut off or damaged: {_one_line(error)}") from None
    if image.width * image.height > PIXEL_LIMIT:
        image.close()
        raise BadStill(f"{image.width}x{image.height}: {_too_many_pixels()}")
    return image


def _decoding(step: Callable[[], object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            step()
        except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError, IndexError, KeyError) as error:
            raise BadStill(f"cut off or damaged: {_one_line(error)}") from None


def _upright(image: Image.Image, changes: list[str]) -> Image.Image:
    """RGB or grey with 8 bits, as it is shown."""
    profile = image.info.get("icc_profile")
    orientation = image.getexif().get(_ORIENTATION, 1)
    image = _eight_bits(image, changes)
    if image.mode == "CMYK" or (profile and not _is_srgb(profile)):
        image = _in_srgb(image, profile, changes)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = _flattened(image, changes)
    if image.mode not in ("RGB", "L"):
        changes.append(f"converted from mode {image.mode} to RGB")
        image = image.convert("RGB")
    if orientation in range(2, 9):
        changes.append("turned upright as its EXIF tag says")
        image.getexif()[_ORIENTATION] = orientation
        image = ImageOps.exif_transpose(image) or image
    return image


def _eight_bits(image: Image.Image, changes: list[str]) -> Image.Image:
    """Grey of 16 bits, 32 bits or floating point, in 8 bits; Pillow itself would clip it to white."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise BadStill("the picture has values that are no numbers")
    low, high = float(values.min()), float(values.max())
    scale = (
        1.0 if image.mode == "F" and high <= 1 else 65_535.0 if high > 255 or image.mode.startswith("I;16") else 255.0
    )
    if low < 0 or high > scale:
        raise BadStill(f"its values reach from {low:g} to {high:g}; save it with 8 or 16 bits per channel")
    changes.append("converted to 8 bits per channel")
    return Image.fromarray(np.rint(values * (255 / scale)).astype(np.uint8))


def _is_srgb(profile: bytes) -> bool:
    return b"sRGB" in profile or b"s\0R\0G\0B" in profile


def _in_srgb(image: Image.Image, profile: bytes | None, changes: list[str]) -> Image.Image:
    """By its colour profile, where that works; CMYK without one by the usual simple rule."""
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            plain = image.convert("RGB") if alpha is not None or image.mode == "P" else image
            converted = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None  # a broken profile, or one of another kind of picture
        if converted is not None:
            changes.append("converted to sRGB by its colour profile")
            if alpha is not None:
                converted.putalpha(alpha)
            return converted
    if image.mode == "CMYK":
        changes.append("converted from CMYK to RGB")
        return image.convert("RGB")
    return image


def _flattened(image: Image.Image, changes: list[str]) -> Image.Image:
    picture = image.convert("RGBA")
    if picture.getchannel("A").getextrema() == (255, 255):
        return picture.convert("RGB")  # nothing is transparent, and nothing that is seen changes
    changes.append("transparent parts were put on white")
    below = Image.new("RGBA", picture.size, (*BACKGROUND, 255))
    return Image.alpha_composite(below, picture).convert("RGB")


def _fitted(image: Image.Image, width: int, height: int, fit: Fit, changes: list[str]) -> Image.Image:
    """In the video's shape."""
    shape, wanted = image.width / image.height, width / height
    if abs(shape / wanted - 1) <= ASPECT_TOLERANCE:
        return image
    if fit == "refuse":
        raise BadStill(
            f"{image.width}x{image.height} has another shape than the video, {width}x{height}; "
            "crop it, or set `fit: crop` or `fit: pad`"
        )
    wider = shape > wanted
    if wider is (fit == "crop"):
        size = (max(1, round(image.height * wanted)), image.height)
    else:
        size = (image.width, max(1, round(image.width / wanted)))
    if size[0] * size[1] > PIXEL_LIMIT:  # before the memory for it is taken
        raise BadStill(f"{image.width}x{image.height} would be padded to {size[0]}x{size[1]}: {_too_many_pixels()}")
    left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    if fit == "crop":
        changes.append(f"cropped from {image.width}x{image.height} to {size[0]}x{size[1]}")
        return image.crop((left, top, left + size[0], top + size[1]))
    changes.append(f"padded with black from {image.width}x{image.height} to {size[0]}x{size[1]}")
    padded = Image.new(image.mode, size)
    padded.paste(image, (-left, -top))
    return padded


def _check_size(image: Image.Image, rules: StillRules) -> None:
    short, long = sorted(image.size)
    if short < rules.least:
        raise BadStill(f"{image.width}x{image.height} is smaller than {rules.least} pixels a side")
    if rules.aspect and long > short * rules.aspect:
        raise BadStill(f"{image.width}x{image.height} is longer than {rules.aspect:g}:1, the longest shape accepted")
    if image.width * image.height > PIXEL_LIMIT:
        raise BadStill(f"{image.width}x{image.height}: {_too_many_pixels()}")


def _encoded(image: Image.Image, most_bytes: int) -> bytes:
    """PNG, or the best JPEG that is small enough."""
    plain = image.copy()
    plain.info = {}
    file = io.BytesIO()
    plain.save(file, "PNG", compress_level=6)
    for quality in _QUALITIES:
        if file.tell() <= most_bytes:
            break
        file = io.BytesIO()
        plain.save(file, "JPEG", quality=quality, subsampling=0)
    if file.tell() > most_bytes:
        raise BadStill(f"{file.tell():,} bytes even as JPEG; at most {most_bytes:,} are accepted")
    return file.getvalue()


def _mime(content: bytes) -> Mime:
    return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"


def _too_many_pixels() -> str:
    return f"more than {PIXEL_LIMIT // 1_000_000} megapixels"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
