"""`starter.py video check`: every mistake in a video file, with its line and the line as it would be right."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from commands.corrected_stills import StillCopy, prepared_copies
from commands.corrections import Correction, corrected, line_of
from commands.models import casting_of
from commands.options import DATA, Data, Json, VideoPath
from commands.session import WRONG_INPUT, out, settings_if_any, show_json, stores_of
from commands.video_file import BuiltVideo, VideoFile, VideoFileInvalid, build_video
from commands.yaml_fields import read_as
from commands.yaml_file import NotUtf8, YamlFileInvalid, read_yaml_text, text_of
from studio.contracts.video import Provider
from studio.errors import DatabaseUnavailable
from studio.graphs import Casting

Fix = Annotated[
    bool,
    typer.Option(
        "--fix", help="Write the corrections: the file as it was stays beside it as FILE.bak, stills get copies."
    ),
]


MOST_SHOWN = 50
"""Mistakes on the terminal; further ones are counted."""


@dataclass
class Checked:
    """What a check found."""

    text: str
    """The file with every correction."""
    mistakes: list[str] = field(default_factory=list)
    """All of them, as the file is."""
    corrections: list[Correction] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Mistakes that are there after the corrections: a person has to decide."""
    copies: list[StillCopy] = field(default_factory=list)
    video: VideoFile | None = None
    notes: tuple[str, ...] = ()
    """What is done to stills before they are used."""
    note: str = ""


def check_video(file: VideoPath, fix: Fix = False, data: Data = DATA, as_json: Json = False) -> None:
    """Find every mistake in a video file, and show each line as it would be right. Nothing is started or stored.

    Ends with 2 when mistakes are left. No stack is needed; styles and graphs of your own are checked where one runs.
    """
    checked = asyncio.run(_checked(file, data))
    if fix and checked.text and (checked.corrections or checked.copies):
        _write(file, checked)
    _as_json(file, checked, fix) if as_json else _show(file, checked, fix)
    if checked.left or (checked.mistakes and not fix):
        raise SystemExit(WRONG_INPUT)


async def _checked(file: Path, data: Path) -> Checked:
    try:
        checked = Checked(await asyncio.to_thread(text_of, file))
    except YamlFileInvalid as error:
        saved = await asyncio.to_thread(_in_another_encoding, file) if isinstance(error, NotUtf8) else None
        if saved is None:
            return Checked("", [str(error)], left=[str(error)])
        checked = Checked(saved, [str(error)], [Correction(0, str(error), "", "saved as UTF-8")])
    await asyncio.to_thread(_check_text, checked)
    if not checked.left:
        casting, checked.note = await _casting(checked, data)
        if not checked.left:
            await asyncio.to_thread(_check_video, file, checked, casting)
    return checked


def _in_another_encoding(file: Path) -> str | None:
    """The text of a file that was saved as Windows-1252."""
    try:
        return file.read_bytes().decode("cp1252").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, ValueError):
        return None


def _check_text(checked: Checked) -> None:
    checked.mistakes += _misread(checked.text)
    checked.text, made = corrected(checked.text, _misread)
    checked.mistakes += [one.problem for one in made if one.problem not in checked.mistakes]
    checked.corrections += made
    checked.left = _misread(checked.text)
    checked.mistakes += [one for one in checked.left if one not in checked.mistakes]


def _misread(text: str) -> list[str]:
    """What is wrong with the fields of a video file."""
    try:
        read_as(VideoFile, read_yaml_text(text))
    except YamlFileInvalid as error:
        return error.problems
    return []


def _check_video(file: Path, checked: Checked, casting: Casting | None) -> None:
    """Stills, prompts and the graph, of a file that can be read."""

    def unmade(text: str) -> list[str]:
        return _misread(text) or _unmade(file, text, casting)

    found = unmade(checked.text)
    checked.mistakes += found
    checked.text, made = corrected(checked.text, unmade)
    checked.corrections += made
    checked.video = read_as(VideoFile, read_yaml_text(checked.text))
    checked.left = unmade(checked.text)
    if checked.left:
        text, checked.copies = prepared_copies(file, checked.text, checked.video, checked.left)
        corrected_lines = {copy.line for copy in checked.copies}
        checked.text = text
        checked.left = [one for one in checked.left if line_of(one) not in corrected_lines]
    else:
        checked.notes = _built(file, checked.text, casting).notes


def _unmade(file: Path, text: str, casting: Casting | None) -> list[str]:
    try:
        _built(file, text, casting)
    except VideoFileInvalid as error:
        return str(error).splitlines()
    return []


def _built(file: Path, text: str, casting: Casting | None) -> BuiltVideo:
    with TemporaryDirectory(prefix="longtake-", ignore_cleanup_errors=True) as scratch:
        return build_video(file, read_as(VideoFile, read_yaml_text(text)), Path(scratch), casting)


async def _casting(checked: Checked, data: Path) -> tuple[Casting | None, str]:
    """What a video by comfyui is made with, where a stack runs that knows."""
    video = read_as(VideoFile, read_yaml_text(checked.text))
    if video.provider is not Provider.COMFYUI:
        return None, ""
    settings = await asyncio.to_thread(settings_if_any, data)
    unseen = "no stack runs here: the graph, its model files and the style were not looked at"
    if settings is None:
        return None, unseen
    try:
        async with stores_of(settings) as stores:
            return await casting_of(stores, video), ""
    except DatabaseUnavailable:
        return None, unseen
    except VideoFileInvalid as error:
        wrong = video.placed(str(error)).splitlines()
        checked.mistakes += wrong
        checked.left += wrong
        return None, ""


def _write(file: Path, checked: Checked) -> None:
    """Write the corrections; what was there before stays beside it."""
    for copy in checked.copies:
        copy.path.write_bytes(copy.content)
    before = file.read_bytes()
    file.with_name(f"{file.name}.bak").write_bytes(before)
    part = file.with_name(f".{file.name}.part")
    part.write_text(checked.text, encoding="utf-8", newline="\n")
    part.replace(file)


def _show(file: Path, checked: Checked, fix: bool) -> None:
    if not checked.mistakes:
        video = checked.video
        about = f": {video.channel}/{video.video}, {len(video.clips)} clips" if video else ""
        out.print(f"{file} is right{about}", highlight=False, soft_wrap=True)
    else:
        out.print(f"{file}: {_counted(checked.mistakes)}", highlight=False, soft_wrap=True)
    problems = sorted(dict.fromkeys(checked.mistakes), key=line_of)
    for problem in problems[:MOST_SHOWN]:
        out.print(problem, highlight=False, soft_wrap=True)
        for words in _advice(problem, checked):
            out.print(words, highlight=False, soft_wrap=True)
    if len(problems) > MOST_SHOWN:
        out.print(f"and {len(problems) - MOST_SHOWN} more", highlight=False)
    for note in checked.notes:
        out.print(f"Note: {note}", highlight=False, soft_wrap=True)
    if checked.note:
        out.print(f"Note: {checked.note}.", highlight=False, soft_wrap=True)
    corrections = len(checked.corrections) + len(checked.copies)
    if fix and corrections:
        out.print(f"corrected; the file as it was is {file.name}.bak", highlight=False, soft_wrap=True)
    elif corrections:
        out.print(f"`video check {file} --fix` writes these corrections", highlight=False, soft_wrap=True)
    elif not checked.mistakes:
        out.print(f"`video plan {file}` says what it costs", highlight=False, soft_wrap=True)


def _counted(mistakes: Sequence[str]) -> str:
    count = len(dict.fromkeys(mistakes))
    return "1 mistake" if count == 1 else f"{count} mistakes"


def _advice(problem: str, checked: Checked) -> list[str]:
    """The line as it would be right."""
    for one in checked.corrections:
        if one.problem == problem:
            before = [f"    - {_visible(one.before)}"] if one.before else []
            return [*before, f"    + {_visible(one.after)}"]
    return [
        line
        for copy in checked.copies
        if copy.line == line_of(problem)
        for line in (f"    - {_visible(copy.before)}", f"    + {_visible(copy.after)}  ({copy.about})")
    ]


def _visible(line: str) -> str:
    """A line of the file, with arrows for its tabs."""
    return line.strip(" ").replace("\t", "→")


def _as_json(file: Path, checked: Checked, fix: bool) -> None:
    lines = {one.problem: one.after for one in checked.corrections}
    lines |= {
        problem: copy.after for copy in checked.copies for problem in checked.mistakes if line_of(problem) == copy.line
    }
    mistakes = [
        {"line": line_of(problem) or None, "problem": problem, "corrected": lines.get(problem)}
        for problem in dict.fromkeys(checked.mistakes)
    ]
    written = fix and bool(checked.corrections or checked.copies)
    show_json(
        {"file": str(file), "mistakes": mistakes, "left": len(checked.left), "notes": checked.notes, "written": written}
    )
