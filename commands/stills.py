"""The stills of a rehearsal: drawn here, or made by ComfyUI as the pictures of every project are."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

from temporalio.common import WorkflowIDConflictPolicy

from commands.session import Session, fail
from studio.contracts.model import ModelCategory
from studio.contracts.project import Project, RenderChoices, SentenceDraft
from studio.contracts.sentence import ProjectRequest
from studio.media.stills import draw_still
from studio.store.projects import ProjectStore
from workflows_temporal.addresses import TaskQueue, project_workflow_id
from workflows_temporal.project import ProjectWorkflow

TITLE, PROJECT = "A day of light", "a-day-of-light"
SIZE = RenderChoices(width=1_280, height=720)
"""The shape of a video, and drawn quickly."""
Part = tuple[str, str, str]
"""What happens, what moves, what the camera does."""
STORY: tuple[Part, ...] = (
    ("A harbour wakes at dawn, light spreads over the water", "Small waves lap and glitter", "Slow dolly forward"),
    (
        "Morning mist drifts through a forest above the bay",
        "Tree tops sway, shafts of light wander",
        "Smooth truck alongside",
    ),
    ("Snow blows off the mountains behind the coast", "Shadows slide down the slopes", "Slow pan right"),
    ("Wind moves over desert dunes at noon", "Sand runs along the ridges", "Slow pull back"),
    ("A city lights its windows at night in the rain", "Windows go on and off, reflections shiver", "Slow pan left"),
    ("The sea turns red at sunset", "The last light dances on the waves", "Slow orbit around the sun's path"),
)


def draw_stills(folder: Path, parts: Sequence[Part]) -> list[Path]:
    """Draw the stills that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (action, _, _) in enumerate(parts):
        path = folder / f"still_{place + 1:03d}_{hashlib.sha256(action.encode()).hexdigest()[:8]}.png"
        if not path.exists():
            part = path.with_suffix(".part.png")
            draw_still(action, seed=place).image.save(part, compress_level=1)
            part.replace(path)
        paths.append(path)
    return paths


async def render_stills(session: Session, channel: str, parts: Sequence[Part], folder: Path) -> tuple[list[Path], int]:
    """Have a small project's pictures made; returns the files, and how many are new.

    Those of an earlier rehearsal fit still, and are not made again.
    """
    store = ProjectStore(session.database)
    await store.put(Project(channel=channel, project_id=PROJECT, title=TITLE, image=SIZE))
    drafts = [
        SentenceDraft(channel=channel, project_id=PROJECT, sentence_id=f"s{place:03d}", position=place, text=action)
        for place, (action, _, _) in enumerate(parts, start=1)
    ]
    await store.put_sentences(drafts)
    ids = tuple(draft.sentence_id for draft in drafts)
    result = await session.temporal.execute_workflow(
        ProjectWorkflow.run,
        ProjectRequest(channel=channel, project_id=PROJECT, category=ModelCategory.IMAGE, sentence_ids=ids),
        id=project_workflow_id(channel, PROJECT, ModelCategory.IMAGE),
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,  # a rehearsal that was broken off
        static_summary=f"{TITLE}: pictures",
    )
    if result.failed:
        fail("\n".join(f"{outcome.sentence_id}: {outcome.error}" for outcome in result.outcomes if outcome.error))
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    pictures = {s.sentence_id: s.image_file for s in await store.sentences(channel, PROJECT) if s.image_file}
    paths = [await session.objects.fetch(pictures[name], folder / f"{name}.png") for name in ids]
    return paths, result.done - result.reused
