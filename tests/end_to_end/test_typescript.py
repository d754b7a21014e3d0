"""The TypeScript program of the service docs, compiled and run against a studio in this process."""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from local.stack import ROOT
from studio.contracts.video import Provider
from tests.studio_at_work import StudioAtWork

PROGRAM = ROOT / "docs" / "snippets" / "typescript" / "start_video.ts"
PACKAGES = ("@temporalio/client", "typescript@5", "@types/node@20")
INSTALLING, RUNNING = 200, 200
"""Seconds."""


async def run(
    *command: str, folder: Path, environment: Mapping[str, str] = MappingProxyType({}), seconds: float = RUNNING
) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, "", f"no end within {seconds} s"
    return process.returncode or 0, said.decode(), complained.decode()


@pytest.fixture
async def compiled(tmp_path: Path) -> Path:
    """The program as JavaScript, beside its packages."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    shutil.copyfile(PROGRAM, tmp_path / "start_video.ts")
    (tmp_path / "package.json").write_text('{"private": true}')
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    code, _, why = await run("npm", "install", *quiet, *PACKAGES, folder=tmp_path, seconds=INSTALLING)
    if code:
        pytest.skip(f"npm cannot install its packages here: {why[-200:]}")
    strict = ("--strict", "--target", "es2022", "--module", "commonjs", "--esModuleInterop", "--skipLibCheck")
    code, said, _ = await run("node_modules/.bin/tsc", *strict, "start_video.ts", folder=tmp_path)
    assert code == 0, said
    return tmp_path / "start_video.js"


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_video_is_started_from_typescript_and_its_result_or_its_mistakes_come_back(
    studio: StudioAtWork, compiled: Path
) -> None:
    request = (await studio.request(clips=1, provider=Provider.ANIMATIC)).model_dump(mode="json", exclude_none=True)
    key = "channels/poke1/videos/vid_1/stills/from_a_service.png"
    picture = (studio.folder / "poke1-vid_1-1.png").read_bytes()
    (studio.folder / "objects" / key).write_bytes(picture)  # as any program does it
    request["clips"][0]["still"] = {"key": key, "sha256": hashlib.sha256(picture).hexdigest(), "mime": "image/png"}
    environment = {
        "TEMPORAL_ADDRESS": studio.settings.temporal_address,
        "TEMPORAL_NAMESPACE": studio.settings.temporal_namespace,
    }

    async def start(asked: dict[str, object]) -> tuple[int, str, str]:
        file = compiled.with_name("request.json")
        file.write_text(json.dumps(asked))
        return await run("node", compiled.name, file.name, folder=compiled.parent, environment=environment)

    code, said, why = await start(request)
    assert code == 0, why
    assert json.loads(said)["video"] == "channels/poke1/videos/vid_1/vid_1.mp4"
    code, _, why = await start(request | {"video_id": "vid_2", "budgetUsd": 1})
    assert code == 1 and "did you mean budget_usd?" in why
