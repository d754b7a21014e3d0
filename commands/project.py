"""`starter.py project …`: write projects, look at them, make their pictures and clips."""

import asyncio
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError

from commands.gpu import gpu_standing
from commands.jobs import job_of
from commands.options import DATA, Data, Json
from commands.project_jobs import THINGS, BatchHandle, compared, find_project, make, running, stop_sentence, write
from commands.project_table import as_json_of, show_project, standing_of
from commands.projectfile import BuiltProject, ProjectFileInvalid, build_project, put_files, read_project_file
from commands.session import FAILED, WRONG_INPUT, Session, Stores, fail, open_session, out, show_json
from commands.telling import cause_of, say
from commands.watch import Watch
from studio.contracts.model import ModelCategory
from studio.contracts.sentence import ProjectRequest
from studio.sentences import Offer
from studio.store.models import ModelStore

app = typer.Typer(
    no_args_is_help=True, help="Projects of sentences: write, look, make pictures and clips, stop, cancel."
)

ProjectPath = Annotated[Path, typer.Argument(help="A project file (YAML).")]
ProjectId = Annotated[
    str, typer.Argument(help="CHANNEL/PROJECT, or PROJECT when no other channel has one of that name.")
]
Category = Annotated[ModelCategory, typer.Argument(help="image: pictures; video: clips.")]
SomeCategory = Annotated[ModelCategory | None, typer.Argument(help="Only pictures (image), or only clips (video).")]


@app.command()
def put(file: ProjectPath, data: Data = DATA, as_json: Json = False) -> None:
    """Write a project as its file says: what changed is marked, a sentence that is not in it is taken out.

    Everything wrong with it is said before anything is written. What was made stays a take and is found again.
    """

    async def run() -> None:
        async with open_session(data) as session:
            project = await _build(session, file)
            await put_files(project, session.objects)
            name = f"{project.draft.channel}/{project.draft.project_id}"
            try:
                written = await write(session, project.draft)
            except WorkflowAlreadyStartedError:
                fail(f"{name} is being written just now - Try again in a moment")
            except WorkflowFailureError as error:
                fail(f"{file} cannot be made:\n{cause_of(error)}", code=WRONG_INPUT)
            except TimeoutError:
                fail(f"{name} is not written yet: no worker serves the queue studio. It is written when one does.")
        removed = f", {len(written.removed)} taken out" if written.removed else ""
        todo = f"to make: {len(written.dirty_images)} pictures, {len(written.dirty_videos)} clips"
        say(written.model_dump(mode="json"), f"{name}: {written.sentences} sentences{removed}; {todo}", as_json)

    asyncio.run(run())


@app.command()
def request(file: ProjectPath, data: Data = DATA) -> None:
    """Put a project's files into the store and print the JSON that writes it from any language."""

    async def run() -> None:
        async with open_session(data) as session:
            project = await _build(session, file)
            await put_files(project, session.objects)
            show_json(project.draft)

    asyncio.run(run())


@app.command()
def show(project: ProjectId, data: Data = DATA, as_json: Json = False) -> None:
    """Show a project sentence by sentence: picture and clip, and what does not fit what would be made today."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await find_project(session, project)
            standing = await standing_of(session, name, await compared(session, name))
            show_json(as_json_of(standing)) if as_json else show_project(standing)

    asyncio.run(run())


@app.command("make")
def make_batch(
    project: ProjectId,
    category: Category,
    sentence: Annotated[list[str] | None, typer.Option(help="Only this sentence; may be repeated.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also those that fit: a further one each.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch until all of them have ended.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make the pictures or clips that are missing or stale. Clips are made of pictures: make those first."""

    async def run() -> bool:
        async with open_session(data) as session:
            name = await find_project(session, project)
            asked = ProjectRequest(
                channel=name.channel,
                project_id=name.project_id,
                category=category,
                sentence_ids=tuple(sentence) if sentence else None,
                force=force,
            )
            try:
                handle = await make(session, asked)
            except WorkflowAlreadyStartedError:
                _refuse_running(f"{name.channel}/{name.project_id}", category)
            if wait:
                return await _watch(session, handle, as_json)
            words = f"{handle.id} started; see it with `watch {handle.id}`"
            say({"workflow_id": handle.id, "run_id": handle.first_execution_run_id}, words, as_json)
            return True

    if not asyncio.run(run()):
        raise SystemExit(FAILED)


@app.command()
def stop(
    project: ProjectId,
    sentence: Annotated[str, typer.Argument(help="The sentence's id.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Stop what is being made of one sentence, picture or clip. The others go on."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await find_project(session, project)
            ids = await stop_sentence(session, name, sentence)
        if not ids:
            fail(f"Nothing of sentence {sentence} is being made", code=WRONG_INPUT)
        say({"sentence_id": sentence, "stopped": ids}, f"{sentence} is not made any more by {', '.join(ids)}", as_json)

    asyncio.run(run())


@app.command()
def cancel(project: ProjectId, category: SomeCategory = None, data: Data = DATA, as_json: Json = False) -> None:
    """Call off what is being made. What is done stays; the GPU stops within two seconds."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await find_project(session, project)
            batches = await running(session, name, [category] if category else ModelCategory)
            gpu = await gpu_standing(session, *batches.values())
            for handle in batches.values():
                await handle.cancel()
            await asyncio.gather(*(handle.result() for handle in batches.values()), return_exceptions=True)
        ids = [handle.id for handle in batches.values()]
        ended = f"{', '.join(ids)} called off" + (f"\n{gpu.interrupted}" if gpu.interrupted else "")
        words = ended if ids else f"Nothing of {name.channel}/{name.project_id} is being made"
        say({"cancelled": ids}, words, as_json)

    asyncio.run(run())


def _refuse_running(name: str, category: ModelCategory) -> NoReturn:
    fail(
        f"The {THINGS[category]} of {name} are being made already - see them with `watch project/{name}/{category}`, "
        f"or `project cancel {name} {category}` first",
        code=WRONG_INPUT,
    )


async def _build(stores: Stores, path: Path) -> BuiltProject:
    models = ModelStore(stores.database)
    try:
        file = await asyncio.to_thread(read_project_file, path)
        offer = Offer(models=await models.models(), styles=await models.styles())
        characters = await models.characters(file.channel)
        return await asyncio.to_thread(build_project, path, file, stores.scratch, offer, characters)
    except ProjectFileInvalid as error:
        fail(f"{path} cannot be made:\n{error}", code=WRONG_INPUT)


async def _watch(session: Session, handle: BatchHandle, as_json: bool) -> bool:
    """Show a batch until it ends: did all of it come out?"""
    if not as_json:
        return await Watch(session, job_of(session, handle.id), None, _tell).run()
    try:
        result = await handle.result()
    except WorkflowFailureError as error:
        fail(f"{handle.id}: {cause_of(error)}")
    show_json(result)
    return not result.failed


def _tell(_: dict[str, Any], words: str) -> None:
    out.print(words, highlight=False, markup=False, soft_wrap=True)
