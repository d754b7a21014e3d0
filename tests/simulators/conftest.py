"""Simulators for one test each; clips are drawn once for all of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.comfyui import ComfyConfig, ComfySimulator
from simulators.kie import KieConfig, KieSimulator
from tests.simulators.callers import KieCaller, Receiver, Stills
from tests.simulators.comfy import ComfyCaller

Kie = Callable[..., Any]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_kie(stack: AsyncExitStack, clips: Path) -> Callable[..., Any]:
    """Start a KIE simulator with these settings; tiny placeholders unless said otherwise."""

    async def start(**settings: Any) -> KieSimulator:
        usual = {"clips": "placeholder", "default_size": (64, 36), "cache": clips, **settings}
        return await stack.enter_async_context(KieSimulator(KieConfig(**usual)))

    return start


@pytest.fixture
async def kie(start_kie: Callable[..., Any]) -> KieSimulator:
    simulator: KieSimulator = await start_kie()
    return simulator


@pytest.fixture
async def caller(kie: KieSimulator) -> AsyncIterator[KieCaller]:
    async with KieCaller(kie) as caller:
        yield caller


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def stills() -> AsyncIterator[Stills]:
    async with Stills() as stills:
        yield stills


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        yield client


@pytest.fixture
def start_comfy(stack: AsyncExitStack, clips: Path) -> Callable[..., Any]:
    """Start a ComfyUI simulator with these settings; placeholders and next to no GPU time unless said otherwise."""

    async def start(**settings: Any) -> ComfySimulator:
        usual = {"files": "placeholder", "prompt_seconds": 0.02, "cache": clips, **settings}
        return await stack.enter_async_context(ComfySimulator(ComfyConfig(**usual)))

    return start


@pytest.fixture
async def comfy(start_comfy: Callable[..., Any]) -> AsyncIterator[ComfySimulator]:
    simulator: ComfySimulator = await start_comfy()
    yield simulator
    assert simulator.errands.problems == []


@pytest.fixture
async def old_comfy(start_comfy: Callable[..., Any]) -> AsyncIterator[ComfySimulator]:
    simulator: ComfySimulator = await start_comfy(generation="old")
    yield simulator
    assert simulator.errands.problems == []


@pytest.fixture
async def artist(comfy: ComfySimulator) -> AsyncIterator[ComfyCaller]:
    async with ComfyCaller(comfy) as caller:
        yield caller


@pytest.fixture
async def old_artist(old_comfy: ComfySimulator) -> AsyncIterator[ComfyCaller]:
    async with ComfyCaller(old_comfy) as caller:
        yield caller
