"""`doctor`: what is there, what is missing, and what to do, on a studio in this process."""

from pathlib import Path
from typing import Any

import pytest

from local.processes import free_port
from simulators.kie import KieSimulator
from tests.command_line import run_command
from tests.commands.starter import Starter, starter_with
from tests.studio_at_work import StudioAtWork
from workflows_temporal.addresses import TaskQueue

NAMES = ("temporal_address", "temporal_namespace", "database_url", "object_store_url", "work_dir", "kie_api_url")


@pytest.fixture
def starter(studio: StudioAtWork) -> Starter:
    settings = {name.upper(): str(getattr(studio.settings, name)) for name in NAMES}
    more = {"KIE_API_KEY": "sim-key", "COMFYUI_URL": f"http://127.0.0.1:{free_port()}"}
    return starter_with(settings | more, studio.folder / "stack")


async def look(starter: Starter, **changes: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and of each part its state and the sentence."""
    done = await starter("doctor", "--json", **changes)
    parts: list[dict[str, Any]] = done.json["parts"]
    return done.code, {one["part"]: (one["state"], one["text"]) for one in parts}


async def test_where_everything_works_nothing_is_missing(starter: Starter, studio: StudioAtWork) -> None:
    await studio.make(await studio.request(clips=1))
    code, parts = await look(starter)
    states = {part: state for part, (state, _) in parts.items()}
    assert "missing" not in states.values(), parts
    assert code == 0
    for part in ("temporal", "worker studio", "worker kling", "worker media", "gate", "postgresql", "object store"):
        assert states[part] == "ok", parts[part]
    for part in ("kie.ai", "ffmpeg", "stills"):
        assert states[part] == "ok", parts[part]
    assert states["worker gpu"] == states["comfyui"] == states["notion"] == states["callbacks"] == "optional"
    assert "credits" in parts["kie.ai"][1] and "rehearsal" in parts["kie.ai"][1]
    assert "0 of 5 places taken" in parts["gate"][1]
    assert "Everything that videos need is there" in (await starter("doctor")).stdout


async def test_each_part_that_is_missing_is_named_with_the_next_step(
    starter: Starter, kie: KieSimulator, tmp_path: Path
) -> None:
    away = f"127.0.0.1:{free_port()}"
    (tmp_path / "file").write_text("no folder")
    for change, part, words in (
        ({"TEMPORAL_ADDRESS": away}, "temporal", ("no answer at", "starter.py up")),
        ({"DATABASE_URL": f"postgresql://x@{away}/x"}, "postgresql", ("check DATABASE_URL",)),
        ({"OBJECT_STORE_URL": f"file://{tmp_path}/file"}, "object store", ("OBJECT_STORE_URL",)),
        ({"KIE_API_KEY": "another-key-0123456789"}, "kie.ai", ("authentication failed",)),
        ({"KIE_API_URL": f"http://{away}"}, "kie.ai", ("KIE.ai",)),
        ({"TEMPORAL_NAMESPACE": "default"}, "worker studio", ("worker.py --queues studio",)),
        ({"TEMPORAL_NAMESPACE": "default"}, "worker kling", ("worker.py --queues kling",)),
    ):
        code, parts = await look(starter, **change)
        state, text = parts[part]
        assert (code, state) == (1, "missing"), (change, parts)
        assert all(word in text for word in words), text
        assert "another-key-0123456789" not in str(parts)
    kie.configure(credits=0)
    assert (await look(starter))[1]["kie.ai"][0] == "missing"


async def test_without_a_key_workers_for_orders_are_optional(starter: Starter) -> None:
    _, parts = await look(starter, KIE_API_KEY="", TEMPORAL_NAMESPACE="default")
    assert {part: parts[part][0] for part in ("kie.ai key", "worker kling", "worker media")} == {
        "kie.ai key": "optional",
        "worker kling": "optional",
        "worker media": "missing",
    }


async def test_a_schema_that_is_not_todays_is_missing(starter: Starter, studio: StudioAtWork) -> None:
    async with studio.database.transaction() as connection:
        newest = await connection.fetchval("delete from schema_migrations where name like '0001%' returning name")
    try:
        state, text = (await look(starter))[1]["postgresql"]
    finally:
        async with studio.database.transaction() as connection:
            await connection.execute("insert into schema_migrations (name) values ($1)", newest)
    assert state == "missing" and "1 migrations are missing" in text


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = run_command(["doctor", "--data", str(tmp_path / "none"), "--json"])
    parts = {one["part"]: one for one in done.json["parts"]}
    assert done.code == 1
    assert parts["stack"]["state"] == "missing" and "starter.py up" in parts["stack"]["text"]
    assert {"port 7233", "port 8233", "ffmpeg", "stills"} <= set(parts)
    assert done.json["missing"] == 1


def test_the_queues_it_looks_at_are_those_that_videos_need() -> None:
    assert {TaskQueue.STUDIO, TaskQueue.KLING, TaskQueue.MEDIA, TaskQueue.GPU} == set(TaskQueue) - {TaskQueue.NOTICES}
