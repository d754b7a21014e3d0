"""Projects as somebody writes them: everything a draft says in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass

from studio.contracts.model import Character
from studio.contracts.project import Project, Sentence, SentenceDraft, SentenceId
from studio.contracts.project_draft import ProjectDraft
from studio.contracts.sentence import MOST_SENTENCES
from studio.errors import InvalidRequest
from studio.store.models import ModelStore
from studio.store.pool import Database
from studio.store.projects import ProjectStore


@dataclass(frozen=True)
class Written:
    """A project after it was written."""

    sentences: list[Sentence]
    removed: list[str]


class DraftStore:
    """Writes projects with their sentences and characters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, draft: ProjectDraft) -> Written:
        """Write all of it or nothing. May be repeated.

        Raises:
            InvalidRequest: the project would have too many sentences.
        """
        async with self._database.together() as database:
            projects, models = ProjectStore(database), ModelStore(database)
            # First: whoever writes this project has it for himself from here on.
            await projects.put(Project.model_validate(draft.model_dump(include=set(Project.model_fields))))
            for character in sorted(_characters(draft), key=lambda one: one.character_id):
                await models.put_character(character)
            before = {one.sentence_id: one for one in await projects.sentences(draft.channel, draft.project_id)}
            named = {one.sentence_id for one in draft.sentences}
            removed = [one for one in before if draft.complete and one not in named]
            if (count := len(before.keys() | named) - len(removed)) > MOST_SENTENCES:
                raise InvalidRequest(f"sentences: the project would have {count}, {MOST_SENTENCES} are possible")
            for sentence_id in removed:
                await projects.remove_sentence(_id(draft, sentence_id))
            await projects.put_sentences(_drafts(draft, before))
            for sentence in draft.sentences:
                if sentence.image_file is not None:
                    await projects.give_image(_id(draft, sentence.sentence_id), sentence.image_file)
            return Written(await projects.sentences(draft.channel, draft.project_id), removed)

    async def channels(self, project_id: str) -> list[str]:
        """The channels that have a project of this name."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch("select channel from projects where project_id = $1 order by 1", project_id)
        return [row["channel"] for row in rows]


def _characters(draft: ProjectDraft) -> list[Character]:
    return [Character(channel=draft.channel, **character.model_dump()) for character in draft.characters]


def _drafts(draft: ProjectDraft, before: Mapping[str, Sentence]) -> list[SentenceDraft]:
    """Sentences with their places."""
    drafts, end = [], max((one.position for one in before.values()), default=-1) + 1
    for place, sentence in enumerate(draft.sentences):
        there = before.get(sentence.sentence_id)
        position = place if draft.complete else there.position if there else end + place
        said = sentence.model_dump(include=set(SentenceDraft.model_fields))
        said["position"] = position if sentence.position is None else sentence.position
        drafts.append(SentenceDraft.model_validate(_id(draft, sentence.sentence_id).model_dump() | said))
    return drafts


def _id(draft: ProjectDraft, sentence_id: str) -> SentenceId:
    return SentenceId(channel=draft.channel, project_id=draft.project_id, sentence_id=sentence_id)
