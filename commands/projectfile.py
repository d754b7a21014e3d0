"""A project as a person writes it: a short YAML file, and pictures and sounds beside it."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationError, model_validator

from commands.files_beside import FileUnreadable, read_file
from commands.yaml_fields import Fields, WrittenFile, read_as
from commands.yaml_file import YamlFileInvalid, read_yaml_file
from studio.contracts.base import Identifier, MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.complaint import complaint
from studio.contracts.model import Character, Name
from studio.contracts.project import Project, RenderChoices, Sentence, SentenceId, Text
from studio.contracts.project_draft import DraftedCharacter, DraftedSentence, ProjectDraft
from studio.contracts.render import MOST_IMAGES
from studio.contracts.sentence import MOST_SENTENCES
from studio.contracts.video import Provider
from studio.errors import BadSound, BadStill, InvalidRequest
from studio.media.length import audio_seconds
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.sentences import Offer, clip_of, image_choices, picture_of
from studio.stills import prepared

SOUNDS = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg", "m4a": "audio/mp4"}
SOUNDS |= {"aac": "audio/aac", "webm": "audio/webm"}
"""Ending of a sound file → media type."""
PICTURES = {"image/png": "png", "image/jpeg": "jpg"}
UPLOADS_AT_ONCE = 8


class ProjectFileInvalid(Exception):
    """The project file cannot be made. Each line of the message is a path and a reason."""


class FileChoices(RenderChoices):
    """Choices in a project file: `model` is the model's id, `style` a style's name or id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    written_names: ClassVar[Mapping[str, str]] = {"model": "model_id"}

    @model_validator(mode="before")
    @classmethod
    def _model_by_its_id(cls, values: Any) -> Any:
        if isinstance(values, dict) and "model" in values:
            return {"model_id" if name == "model" else name: value for name, value in values.items()}
        return values


class FileCharacter(Fields):
    """A character in a project file."""

    id: Identifier
    name: Name | None = None
    references: Annotated[list[str], Field(min_length=1, max_length=MOST_IMAGES)]


class FileSentence(Fields):
    """A sentence in a project file. Paths begin at the file's folder."""

    id: Identifier
    text: Annotated[Text, Field(min_length=1)]
    image_prompt: Text = ""
    motion_prompt: Text = ""
    still: str | None = Field(default=None, description="A picture that is there: none is made.")
    audio: str | None = Field(default=None, description="Speech: the clip becomes as long as this.")
    camera: CameraMove = CameraMove.STATIC
    strength: float = Field(default=0.5, ge=0, le=1)
    image: FileChoices = FileChoices()
    video: FileChoices = FileChoices()


class ProjectFile(WrittenFile):
    """A project file."""

    project: Identifier
    channel: Identifier
    title: str = Field(default="", max_length=200)
    image: FileChoices = FileChoices()
    video: FileChoices = FileChoices()
    characters: list[FileCharacter] = Field(default=[])
    sentences: Annotated[list[FileSentence], Field(min_length=1, max_length=MOST_SENTENCES)]


def read_project_file(path: Path) -> ProjectFile:
    """Parse a project file.

    Raises:
        ProjectFileInvalid: no YAML, or fields that are wrong or missing.
    """
    try:
        return read_as(ProjectFile, read_yaml_file(path))
    except YamlFileInvalid as error:
        raise ProjectFileInvalid(str(error)) from None


@dataclass
class BuiltProject:
    """A project as it would be written, and the files it is to bring."""

    draft: ProjectDraft
    files: dict[Path, list[MediaRef]]


@dataclass(frozen=True)
class _Picture:
    """A prepared picture, and where its bytes are now."""

    path: Path
    sha256: str
    mime: str
    size: int


@dataclass
class _Files:
    """Files beside a project file: looked at, and referred to by where they will lie."""

    folder: Path
    scratch: Path
    found: dict[Path, list[MediaRef]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _pictures: dict[str, "_Picture | str"] = field(default_factory=dict)

    def picture(self, place: str, name: str, key: "_Key") -> MediaRef | None:
        if name not in self._pictures:
            self._pictures[name] = self._prepared(name)
        found = self._pictures[name]
        if isinstance(found, str):
            return self._complain(f"{place}: {name}: {found}")
        ref = MediaRef(
            key=key.of(found.sha256, PICTURES[found.mime]), sha256=found.sha256, mime=found.mime, size=found.size
        )
        self.found.setdefault(found.path, []).append(ref)
        return ref

    def _prepared(self, name: str) -> "_Picture | str":
        """The picture as servers get it: upright, as 8-bit RGB, without metadata."""
        path = self.folder / name
        try:
            content = read_file(self.folder, name)
            picture = prepared(content, Provider.COMFYUI, None)
        except (FileUnreadable, BadStill) as error:
            return str(error)
        sha256 = hashlib.sha256(picture.content).hexdigest()
        if picture.content != content:
            path = self.scratch / f"{sha256}.{PICTURES[picture.mime]}"
            path.write_bytes(picture.content)
        return _Picture(path, sha256, picture.mime, len(picture.content))

    def sound(self, place: str, name: str, key: "_Key") -> MediaRef | None:
        path, ending = self.folder / name, name.rpartition(".")[2].lower()
        if ending not in SOUNDS:
            return self._complain(f"{place}: {name}: its name has to end with one of {', '.join(SOUNDS)}")
        try:
            content = read_file(self.folder, name)
            audio_seconds(path)
        except FileUnreadable as error:
            return self._complain(f"{place}: {name}: {error}")
        except BadSound as error:
            return self._complain(f"{place}: {error}")
        return self._take(path, content, SOUNDS[ending], key, ending)

    def _take(self, path: Path, content: bytes, mime: str, key: "_Key", ending: str) -> MediaRef:
        sha256 = hashlib.sha256(content).hexdigest()
        ref = MediaRef(key=key.of(sha256, ending), sha256=sha256, mime=mime, size=len(content))
        self.found.setdefault(path, []).append(ref)
        return ref

    def _complain(self, words: str) -> MediaRef | None:
        self.wrong.append(words)
        return None


@dataclass(frozen=True)
class _Key:
    """Where a file will lie."""

    channel: str
    project_id: str
    sentence_id: str | None = None
    character_id: str = ""

    def of(self, sha256: str, ending: str) -> str:
        if self.sentence_id is None:
            return keys.reference_key(self.channel, self.character_id, sha256, ending)
        which = SentenceId(channel=self.channel, project_id=self.project_id, sentence_id=self.sentence_id)
        return keys.brought_key(which, sha256, ending)


def build_project(
    path: Path, file: ProjectFile, scratch: Path, offer: Offer, characters: Sequence[Character] = ()
) -> BuiltProject:
    """Check everything a project file says. Nothing is stored.

    Args:
        scratch: a folder for prepared pictures, to be removed once they are in the object store.
        offer: models and styles there are to choose from.
        characters: those of the channel.

    Raises:
        ProjectFileInvalid: something cannot be made.
    """
    files = _Files(path.parent, scratch)
    drafted = tuple(_character(file, place, files) for place in range(len(file.characters)))
    sentences = tuple(_sentence(file, place, files) for place in range(len(file.sentences)))
    try:
        draft = ProjectDraft(
            channel=file.channel,
            project_id=file.project,
            title=file.title,
            image=_choices(file.image),
            video=_choices(file.video),
            sentences=sentences,
            characters=drafted,
            complete=True,
        )
    except ValidationError as error:
        raise ProjectFileInvalid(file.placed("\n".join([*files.wrong, complaint(error)]))) from None
    pictures = {one.character_id: one.references for one in characters}
    pictures |= {one.character_id: one.references for one in drafted}
    if wrong := files.wrong or _unmakeable(draft, offer, pictures):
        raise ProjectFileInvalid(file.placed("\n".join(wrong)))
    return BuiltProject(draft, files.found)


async def put_files(project: BuiltProject, objects: ObjectStore) -> None:
    """Bring a project's files into the object store; those that are there stay: a key names its bytes."""
    turns = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def put(path: Path, ref: MediaRef) -> None:
        async with turns:
            if await objects.size(ref.key) != ref.size:
                await objects.put(path, ref.key, ref.mime)

    await asyncio.gather(*(put(path, ref) for path, refs in project.files.items() for ref in refs))


def _character(file: ProjectFile, place: int, files: _Files) -> DraftedCharacter:
    character = file.characters[place]
    key = _Key(file.channel, file.project, character_id=character.id)
    references = [
        files.picture(f"characters.{place}.references.{number}", name, key)
        for number, name in enumerate(character.references)
    ]
    return DraftedCharacter(
        character_id=character.id,
        name=character.name or character.id,
        references=tuple(one for one in references if one is not None),
    )


def _sentence(file: ProjectFile, place: int, files: _Files) -> DraftedSentence:
    said = file.sentences[place]
    key = _Key(file.channel, file.project, sentence_id=said.id)
    return DraftedSentence(
        sentence_id=said.id,
        text=said.text,
        image_prompt=said.image_prompt,
        motion_prompt=said.motion_prompt,
        image_file=files.picture(f"sentences.{place}.still", said.still, key) if said.still else None,
        audio_file=files.sound(f"sentences.{place}.audio", said.audio, key) if said.audio else None,
        camera_movement=said.camera,
        motion_strength=said.strength,
        image=_choices(said.image),
        video=_choices(said.video),
    )


def _choices(choices: FileChoices) -> RenderChoices:
    return RenderChoices.model_validate(choices.model_dump())


def _unmakeable(draft: ProjectDraft, offer: Offer, pictures: Mapping[str, Sequence[MediaRef]]) -> list[str]:
    """Choices that do not exist or do not go together, each once: where it was chosen."""
    project = Project.model_validate(draft.model_dump(include=set(Project.model_fields)))
    wrong = []
    for place, one in enumerate(draft.sentences):
        sentence = Sentence.model_validate(
            {"channel": draft.channel, "project_id": draft.project_id} | one.model_dump()
        )
        chosen, where = image_choices(sentence, project).characters or (), f"sentences.{place}."
        try:
            if missing := [name for name in chosen if not pictures.get(name)]:
                raise InvalidRequest(
                    f"characters: {', '.join(missing)} has no picture here or in channel {draft.channel}"
                )
            if one.image_file is None:
                picture_of(sentence, project, offer, [ref for name in chosen for ref in pictures[name]])
        except InvalidRequest as error:
            wrong.append(f"{where if one.image != RenderChoices() else ''}image: {error}")
        try:
            made = one.image_file or MediaRef(key="any", sha256="0" * 64, mime="image/png")
            clip_of(sentence.model_copy(update={"image_file": made}), project, offer, frames=1, fps=1)
        except InvalidRequest as error:
            wrong.append(f"{where if one.video != RenderChoices() else ''}video: {error}")
    return [words.replace("model_id: ", "model: ") for words in dict.fromkeys(wrong)]
