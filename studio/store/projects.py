"""Projects and their sentences in PostgreSQL: what is wanted, what is there, what does not fit any more.

Two things mark a picture or clip dirty: a change of what it is made from, at once and generously, and then exactly,
before anything is made, the digest of its take (`want_image`, `want_video`): the same digest means it fits after all.
Nothing here makes anything, and a file is taken only while it is still the one that is wanted.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from pydantic_core import from_json

from studio.contracts.base import MediaRef
from studio.contracts.model import ModelCategory
from studio.contracts.project import Project, RenderChoices, Sentence, SentenceDraft, SentenceId
from studio.errors import InvalidRequest
from studio.store import sentence_rows as sql
from studio.store.pool import Connection, Database

_NEW_PROJECT = """
insert into projects (channel, project_id, title, image_choices, video_choices) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
_PROJECT = """
select channel, project_id, title, image_choices as image, video_choices as video
  from projects where channel = $1 and ($2::text is null or project_id = $2)
"""
_CHANGE_PROJECT = """
update projects set title = $3, image_choices = $4, video_choices = $5, updated_at = now()
 where channel = $1 and project_id = $2
"""
_TURN = "select true from projects where channel = $1 and project_id = $2 for no key update"
_MARK_IMAGES = """
update sentences
   set is_image_dirty = true, is_video_dirty = true, image_wanted = null, video_wanted = null,
       version = version + 1, updated_at = now()
 where channel = $1 and project_id = $2
"""
_MARK_VIDEOS = """
update sentences set is_video_dirty = true, video_wanted = null, version = version + 1, updated_at = now()
 where channel = $1 and project_id = $2
"""


class ProjectStore:
    """Reads and writes projects and sentences."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, project: Project) -> None:
        """Add a project, or change the one of this name; other choices mark its sentences."""
        which = (project.channel, project.project_id)
        words = (project.title, _words(project.image), _words(project.video))
        async with self._database.transaction() as connection:
            await connection.execute(_NEW_PROJECT, *which, *words)
            before = _project(await connection.fetchrow(f"{_PROJECT} for no key update", *which))
            await connection.execute(_CHANGE_PROJECT, *which, *words)
            if before.image != project.image:
                await connection.execute(_MARK_IMAGES, *which)
            elif before.video != project.video:
                await connection.execute(_MARK_VIDEOS, *which)

    async def project(self, channel: str, project_id: str) -> Project | None:
        """One project."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_PROJECT, channel, project_id)
        return None if row is None else _project(row)

    async def projects(self, channel: str) -> list[Project]:
        """All projects of a channel, the last changed first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(f"{_PROJECT} order by updated_at desc, project_id", channel, None)
        return [_project(row) for row in rows]

    async def put_sentences(self, drafts: Sequence[SentenceDraft]) -> None:
        """Add sentences, or change those of these names: all of them or none. What does not fit any more is marked.

        Raises:
            InvalidRequest: there is no such project.
        """
        rows = [_draft_row(draft) for draft in drafts]
        async with self._database.transaction() as connection:
            await _take_turns(connection, drafts)
            await connection.executemany(sql.PUT_SENTENCE, rows)

    async def remove_sentence(self, sentence: SentenceId) -> None:
        """Take a sentence out of its project. Its files stay where they are."""
        async with self._database.transaction() as connection:
            await connection.execute(f"delete from sentences s {sql.THIS}", *_key(sentence))

    async def sentence(self, sentence: SentenceId) -> Sentence | None:
        """One sentence as it stands."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(f"select {sql.COLUMNS} from sentences s {sql.THIS}", *_key(sentence))
        return None if row is None else _sentence(row)

    async def sentences(self, channel: str, project_id: str) -> list[Sentence]:
        """All sentences of a project in the order of the script."""
        order = (
            f"select {sql.COLUMNS} from sentences where channel = $1 and project_id = $2 order by position, sentence_id"
        )
        async with self._database.transaction() as connection:
            rows = await connection.fetch(order, channel, project_id)
        return [_sentence(row) for row in rows]

    async def want_image(self, sentence: Sentence, take: str) -> Sentence | None:
        """From now on this is the picture the sentence, as it was read, is to have; tells whether it is dirty.

        None: the sentence has changed since it was read, or is gone. Read it again, the take is another one now.
        """
        return await self._want(sql.WANT_IMAGE, sentence, take)

    async def want_video(self, sentence: Sentence, take: str) -> Sentence | None:
        """The same for the clip."""
        return await self._want(sql.WANT_VIDEO, sentence, take)

    async def choose_image_variant(self, sentence: Sentence, variant: int) -> None:
        """Ask for a further picture of the same inputs. A sentence that changed since it was read stays as it is."""
        await self._choose(sql.CHOOSE_IMAGE_VARIANT, sentence, variant)

    async def choose_video_variant(self, sentence: Sentence, variant: int) -> None:
        """The same for the clip."""
        await self._choose(sql.CHOOSE_VIDEO_VARIANT, sentence, variant)

    async def compare(self, takes: Sequence[tuple[Sentence, str | None, str | None]]) -> None:
        """Let the flags follow what picture and clip of each sentence, as it was read, would be made from today.

        For what changes without anybody touching the sentence: a style's words, a model's defaults, a graph. None:
        nobody knows. Nothing is wanted by this, and a sentence that changed since it was read stays as it is.
        """
        rows = [(*_key(sentence), sentence.version, image, video) for sentence, image, video in takes]
        async with self._database.transaction() as connection:
            await _take_turns(connection, [sentence for sentence, _, _ in takes])
            await connection.executemany(sql.COMPARE, rows)

    async def set_image(self, sentence: SentenceId, take: str, file: MediaRef) -> bool:
        """The sentence has this picture, and a clip of another picture is dirty now. May be repeated.

        False: another picture is wanted meanwhile; nothing was changed.
        """
        return await self._set(f"{sql.TAKE_PICTURE} and image_wanted = $5", sentence, take, file)

    async def set_video(self, sentence: SentenceId, take: str, file: MediaRef) -> bool:
        """The sentence has this clip. May be repeated. False: another clip is wanted meanwhile."""
        return await self._set(f"{sql.TAKE_CLIP} and video_wanted = $5", sentence, take, file)

    async def wants(self, sentence: SentenceId, category: ModelCategory, take: str) -> bool:
        """Whether this is the take the sentence is to have, as `want_image` or `want_video` said it."""
        async with self._database.transaction() as connection:
            return bool(await connection.fetchval(sql.WANTS[category], *_key(sentence), take))

    async def lose(self, sentence: SentenceId, category: ModelCategory, file: MediaRef) -> None:
        """The sentence's file is gone: it has none, and it is dirty. Another file it has meanwhile stays."""
        async with self._database.transaction() as connection:
            await connection.execute(sql.LOSE[category], *_key(sentence), file.sha256)

    async def give_image(self, sentence: SentenceId, file: MediaRef) -> bool:
        """A person brings the picture: it fits, whatever is being made just now. False: no such sentence."""
        return await self._set(sql.TAKE_PICTURE, sentence, None, file)

    async def give_video(self, sentence: SentenceId, file: MediaRef) -> bool:
        """A person brings the clip."""
        return await self._set(sql.TAKE_CLIP, sentence, None, file)

    async def _want(self, statement: str, sentence: Sentence, take: str) -> Sentence | None:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(statement, *_key(sentence), sentence.version, take)
        return None if row is None else _sentence(row)

    async def _choose(self, statement: str, sentence: Sentence, variant: int) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(statement, *_key(sentence), sentence.version, variant)

    async def _set(self, statement: str, sentence: SentenceId, take: str | None, file: MediaRef) -> bool:
        async with self._database.transaction() as connection:
            done = await connection.execute(statement, *_key(sentence), file.model_dump_json(), take)
        return bool(done == "UPDATE 1")


async def _take_turns(connection: Connection, sentences: Iterable[SentenceId]) -> None:
    """One writer of many sentences of a project at a time, so that no two wait for each other."""
    for channel, project_id in sorted({(sentence.channel, sentence.project_id) for sentence in sentences}):
        if not await connection.fetchval(_TURN, channel, project_id):
            raise InvalidRequest(f"project_id: channel {channel} has no project {project_id}")


def _key(sentence: SentenceId) -> tuple[str, str, str]:
    return sentence.channel, sentence.project_id, sentence.sentence_id


def _words(choices: RenderChoices) -> str:
    return choices.model_dump_json(exclude_none=True)


def _draft_row(draft: SentenceDraft) -> tuple[Any, ...]:
    return (
        *_key(draft),
        draft.position,
        draft.text,
        draft.image_prompt,
        draft.motion_prompt,
        draft.audio_file.model_dump_json() if draft.audio_file else None,
        draft.camera_movement,
        draft.motion_strength,
        _words(draft.image),
        _words(draft.video),
    )


def _project(row: asyncpg.Record | None) -> Project:
    assert row is not None
    return Project.model_validate(_read(row, "image", "video"))


def _sentence(row: asyncpg.Record) -> Sentence:
    return Sentence.model_validate(_read(row, "image", "video", "audio_file", "image_file", "video_file"))


def _read(row: asyncpg.Record, *documents: str) -> dict[str, object]:
    values: dict[str, object] = dict(row)
    return values | {name: from_json(row[name]) for name in documents if row[name] is not None}
