"""Copies of stills that a video can be made from, beside those that it cannot: cropped, turned, converted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands.corrections import line_of, with_value_in
from commands.files_beside import FileUnreadable, read_file
from commands.video_file import VideoFile
from studio.contracts.clip import Framing
from studio.errors import BadStill
from studio.stills import prepared


@dataclass(frozen=True)
class StillCopy:
    """A still as it would be used, and the line of the file that names it."""

    line: int
    before: str
    after: str
    path: Path
    content: bytes
    about: str
    """What was done to the picture."""


def prepared_copies(file: Path, text: str, video: VideoFile, problems: Sequence[str]) -> tuple[str, list[StillCopy]]:
    """The text with copies of the stills that have a problem, and these copies. Nothing is written."""
    wrong = {line_of(problem) for problem in problems if ", still: " in problem}
    lines, copies = text.split("\n"), []
    for place, clip in enumerate(video.clips):
        line = video.line_of(("clips", place, "still"))
        if line not in wrong:
            continue
        copy = _copy(file.parent, clip.still, video, lines[line - 1], line)
        if copy is not None:
            lines[line - 1] = copy.after
            copies.append(copy)
    return "\n".join(lines), copies


def _copy(folder: Path, name: str, video: VideoFile, before: str, line: int) -> StillCopy | None:
    try:
        content = read_file(folder, name)
        picture = prepared(content, video.provider, Framing(width=video.width, height=video.height, fit="crop"))
    except (FileUnreadable, BadStill):
        return None
    suffix = "png" if picture.mime == "image/png" else "jpg"
    source = Path(name)
    written = str(source.with_name(f"{source.stem}_{picture.width}x{picture.height}.{suffix}"))
    after = with_value_in(before, written)
    if after is None or (folder / written).exists():
        return None
    about = "; ".join(picture.changes) or "without metadata"
    return StillCopy(line, before, after, folder / written, picture.content, about)
