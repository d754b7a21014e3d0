"""A contact sheet: one frame of each clip on one page, to see a film at a glance."""

import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from studio.errors import BadClip, InvalidRequest
from studio.media._part import written_whole
from studio.media.concat import MOST_CLIPS
from studio.media.frames import frame_at

_WIDEST_SHEET = 3_840
_WIDEST_CELL = 480
_PAPER, _INK, _FAINT = (18, 20, 24), (236, 238, 242), (150, 156, 166)
_TALLEST_SHAPE = 16 / 9
"""Height of a cell's picture by its width, at most: an upright clip still leaves room for others."""


def contact_sheet(
    clips: Sequence[Path],
    target: Path,
    *,
    title: str = "",
    labels: Sequence[str] | None = None,
    columns: int | None = None,
) -> None:
    """Write a PNG with the middle frame of each of 1 to 500 clips, numbered from 1, at most 3840 pixels wide.

    A JPEG in the place of a clip is that frame already. `labels` stand under the frames beside the numbers.
    Blocking; about 0.1 s per clip at 1080p. Raises `InvalidRequest` for a wrong number of clips, labels or columns,
    `BadClip` for a clip that cannot be decoded.
    """
    if not 1 <= len(clips) <= MOST_CLIPS:
        raise InvalidRequest(f"a contact sheet has 1 to {MOST_CLIPS} clips, not {len(clips)}")
    if labels is not None and len(labels) != len(clips):
        raise InvalidRequest(f"{len(clips)} clips need {len(clips)} labels, not {len(labels)}")
    if columns is not None and not 1 <= columns <= len(clips):
        raise InvalidRequest(f"{len(clips)} clips cannot stand in {columns} columns")
    across = columns or tidy_columns(len(clips))
    gap = 12 if across <= 10 else 6
    cell = min(_WIDEST_CELL, (_WIDEST_SHEET - gap) // across - gap)
    frames = [_frame(clip, (cell, int(cell * _TALLEST_SHAPE))) for clip in clips]
    sheet = _laid_out(frames, title, labels or [""] * len(clips), across, cell, gap)
    with written_whole(target) as part:
        sheet.save(part, format="PNG")


def _frame(clip: Path, within: tuple[int, int]) -> Image.Image:
    if clip.suffix != ".jpg":
        return frame_at(clip, 0.5, within=within)
    try:
        with Image.open(clip) as picture:
            picture.thumbnail(within, Image.Resampling.BOX)
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise BadClip(f"{clip.name}: its picture cannot be read ({error})") from error


def tidy_columns(count: int) -> int:
    """Columns for a page about as wide as a screen, with few empty places in its last row: 18 clips stand 6 x 3."""
    middle = math.sqrt(count * 1.25)
    choices = range(max(1, math.floor(middle * 0.8)), min(count, math.ceil(middle * 1.35)) + 1)
    return min(choices, key=lambda columns: (-count % columns / columns + abs(math.log(columns / middle)), columns))


def _laid_out(
    frames: Sequence[Image.Image], title: str, labels: Sequence[str], columns: int, cell: int, gap: int
) -> Image.Image:
    size = max(10, min(22, cell // 16))
    caption, number_font = ImageFont.load_default(size), ImageFont.load_default(size)
    line, tallest = size + 8, max(frame.height for frame in frames)
    heading = 3 * size if title else 0
    rows = math.ceil(len(frames) / columns)
    width, height = gap + columns * (cell + gap), gap + heading + rows * (tallest + line + gap)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    if title:
        heading_font = ImageFont.load_default(round(size * 1.5))
        pen.text((gap, gap), _shortened(title, heading_font, width - 2 * gap), _INK, heading_font)
    for place, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        row, column = divmod(place, columns)
        x, y = gap + column * (cell + gap), gap + heading + row * (tallest + line + gap)
        sheet.paste(frame, (x + (cell - frame.width) // 2, y + (tallest - frame.height) // 2))
        number = f"{place + 1:02d}"
        pen.text((x, y + tallest + 3), number, _INK, number_font)
        beside = number_font.getlength(number) + size * 0.6
        if label:
            pen.text((x + beside, y + tallest + 3), _shortened(label, caption, cell - beside), _FAINT, caption)
    return sheet


def _shortened(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: float) -> str:
    """As much of a text as fits, in letters that Pillow's built-in font has."""
    plain = _plain(text)
    if font.getlength(plain) <= width:
        return plain
    while plain and font.getlength(plain + "...") > width:
        plain = plain[:-1]
    return plain.rstrip() + "..."


def _plain(text: str) -> str:
    # The built-in font is a subset without accents: "Çelik" becomes "Celik", other scripts question marks.
    simple = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in simple if not unicodedata.combining(letter))
    return " ".join(kept.encode("ascii", "replace").decode().split())
