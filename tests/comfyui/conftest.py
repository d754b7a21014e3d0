"""A real ComfyUI server, for who has one: `pytest -m comfyui --comfyui-url http://127.0.0.1:8188`."""

from collections.abc import AsyncIterator

import pytest

from studio.providers.comfyui import ComfyClient, open_comfyui


@pytest.fixture
def comfyui_url(request: pytest.FixtureRequest) -> str:
    """Where the server listens. Without one these tests are skipped."""
    url = request.config.getoption("--comfyui-url")
    if not url:
        pytest.skip("needs a real ComfyUI server: --comfyui-url URL")
    return str(url)


@pytest.fixture
async def client(comfyui_url: str) -> AsyncIterator[ComfyClient]:
    """A client of the server."""
    async with open_comfyui(url=comfyui_url) as opened:
        yield opened
