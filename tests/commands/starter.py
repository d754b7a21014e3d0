"""`starter.py …` as people and scripts call it: a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.stack import ROOT

HANG_GUARD = 50


@dataclass
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Starter = Callable[..., Coroutine[Any, Any, Done]]


def starter_with(settings: Mapping[str, str], no_stack: Path, *first: str) -> Starter:
    """Calls it with these settings in the environment; no stack runs in the folder `no_stack`."""

    async def call(*arguments: str, **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "starter.py"),
            *first,
            *arguments,
            "--data",
            str(no_stack),
            env=os.environ | settings | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await asyncio.wait_for(process.communicate(), HANG_GUARD)
        return Done(process.returncode or 0, said.decode(), complained.decode())

    return call
