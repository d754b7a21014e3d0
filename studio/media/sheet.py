"""A contact sheet: one frame of each clip on one page, to see a video at a glance."""

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
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
_MOST_LINES = 3
"""Lines of a label below a clip's number."""
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

    A JPEG in the place of a clip is that frame already. The first line of a label is written beside the clip's
    number, the rest below it, in at most three lines.
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
    font = ImageFont.load_default(size)
    line, tallest = size + 8, max(frame.height for frame in frames)
    texts = [_wrapped(label.partition("\n")[2], font, cell) for label in labels]
    below = max(map(len, texts)) * (size + 4)
    heading = 3 * size if title else 0
    row_height = tallest + line + below + gap
    rows = math.ceil(len(frames) / columns)
    sheet = Image.new("RGB", (gap + columns * (cell + gap), gap + heading + rows * row_height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    if title:
        heading_font = ImageFont.load_default(round(size * 1.5))
        pen.text((gap, gap), _shortened(title, heading_font, sheet.width - 2 * gap), _INK, heading_font)
    for place, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        row, column = divmod(place, columns)
        x, y = gap + column * (cell + gap), gap + heading + row * row_height
        sheet.paste(frame, (x + (cell - frame.width) // 2, y + (tallest - frame.height) // 2))
        _caption(pen, (x, y + tallest + 3), f"{place + 1:02d}", label.partition("\n")[0], font, cell)
        for number, text in enumerate(texts[place], start=1):
            pen.text((x, y + tallest + 3 + number * (size + 4)), text, _FAINT, font)
    return sheet


def _caption(pen: ImageDraw.ImageDraw, at: tuple[int, int], number: str, label: str, font: Font, width: int) -> None:
    pen.text(at, number, _INK, font)
    beside = font.getlength(number) + font.getlength("n")
    if label:
        pen.text((at[0] + beside, at[1]), _shortened(label, font, int(width - beside)), _FAINT, font)


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """A text in at most three lines; nothing of one that the font cannot write."""
    plain = _plain(text)
    if plain.count("?") - text.count("?") > len(plain) / 4:
        return []
    lines: list[str] = []
    for word in plain.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        elif len(lines) < _MOST_LINES:
            lines.append(_shortened(word, font, width))
        else:
            lines[-1] = _shortened(f"{lines[-1]} {word} {'.' * 200}", font, width)
            break
    return lines


def _shortened(text: str, font: Font, width: float) -> str:
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
