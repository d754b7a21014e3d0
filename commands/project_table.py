"""A project for people and for programs, sentence by sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from commands.gpu import GpuStanding, gpu_standing
from commands.project_jobs import ENDED, look, running
from commands.session import Session, out
from studio.contracts.base import MediaRef
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.project import Project, ProjectName, Sentence
from studio.contracts.project_draft import ProjectReview
from studio.objects.keys import project_prefix
from studio.store.projects import ProjectStore

WIDEST_TEXT = 60

Stages = Mapping[tuple[str, ModelCategory], Stage]
"""What is on its way: sentence and what of it → how far."""


@dataclass(frozen=True)
class ProjectStanding:
    """How a project stands."""

    project: Project
    sentences: list[Sentence]
    review: ProjectReview | None
    """None: nobody has compared it."""
    stages: Stages
    gpu: GpuStanding


async def standing_of(session: Session, name: ProjectName, review: ProjectReview | None) -> ProjectStanding:
    """How a project stands now, from PostgreSQL and the workflows that make it."""
    store = ProjectStore(session.database)
    project = await store.project(name.channel, name.project_id)
    assert project is not None
    sentences = await store.sentences(name.channel, name.project_id)
    stages: dict[tuple[str, ModelCategory], Stage] = {}
    batches = await running(session, name)
    for category, handle in batches.items():
        under_way = [one for one in (await look(handle)).sentences if one.stage not in ENDED]
        stages |= {(one.sentence_id, category): one.stage for one in under_way}
    gpu = await gpu_standing(session, *batches.values())
    return ProjectStanding(project, sentences, review, stages, gpu)


def as_json_of(standing: ProjectStanding) -> dict[str, Any]:
    """For programs."""
    obstacles = _obstacles(standing.review)
    sentences = [
        one.model_dump(mode="json")
        | {
            f"{category}_{name}": value
            for category in ModelCategory
            for name, value in (
                ("obstacle", obstacles.get((one.sentence_id, category), "")),
                ("stage", standing.stages.get((one.sentence_id, category))),
            )
        }
        for one in standing.sentences
    ]
    told = standing.project.model_dump(mode="json") | standing.gpu.told
    return told | {"compared": standing.review is not None, "sentences": sentences}


def show_project(standing: ProjectStanding) -> None:
    """For people."""
    project, prefix = standing.project, project_prefix(standing.project.channel, standing.project.project_id)
    table = Table("sentence", "picture", "clip", "text", title=f"{project.channel} / {project.project_id}", box=None)
    for one in standing.sentences:
        picture = _cell(standing, one.sentence_id, ModelCategory.IMAGE, one.image_file, one.is_image_dirty, prefix)
        clip = _cell(standing, one.sentence_id, ModelCategory.VIDEO, one.video_file, one.is_video_dirty, prefix)
        table.add_row(one.sentence_id, picture, clip, Text(_short(one.text)))
    out.print(table)
    for (sentence_id, category), words in _obstacles(standing.review).items():
        thing = "picture" if category is ModelCategory.IMAGE else "clip"
        out.print(f"{sentence_id}: no {thing} can be made: {words}", highlight=False, markup=False, soft_wrap=True)
    for line in standing.gpu.lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    out.print(f"Files lie below {prefix}/", highlight=False, soft_wrap=True)
    if standing.review is None:
        words = "Not compared with what would be made today: no worker serves the queue studio, or it takes longer"
        out.print(words, highlight=False)


def _cell(
    standing: ProjectStanding,
    sentence_id: str,
    category: ModelCategory,
    file: MediaRef | None,
    dirty: bool,
    prefix: str,
) -> Text:
    stage = standing.stages.get((sentence_id, category))
    if stage is not None:
        return Text(stage, style="cyan")
    if file is None:
        return Text("missing", style="dim")
    name = file.key.removeprefix(f"{prefix}/")
    return Text(f"stale {name}", style="yellow") if dirty else Text(f"fine  {name}", style="green")


def _obstacles(review: ProjectReview | None) -> dict[tuple[str, ModelCategory], str]:
    """What cannot be made, and why. That a clip waits for its picture needs no words: the table shows it."""
    if review is None:
        return {}
    told = {(one.sentence_id, ModelCategory.IMAGE): one.image_obstacle for one in review.sentences}
    told |= {(one.sentence_id, ModelCategory.VIDEO): one.video_obstacle for one in review.sentences}
    return {which: words for which, words in told.items() if words and "has no picture yet" not in words}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDEST_TEXT else f"{line[: WIDEST_TEXT - 1]}…"
