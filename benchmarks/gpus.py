"""Simulated ComfyUI servers seen from their admin doors, and videos of small clips for them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from PIL import Image

from benchmarks.ground import Ground, until
from studio.contracts.video import COMFYUI_GRAPH, Provider, VideoRequest

OFTEN = 0.01
SMALL = (256, 256)
"""The smallest clip that the graph makes."""


@dataclass(frozen=True)
class Gpu:
    """One server."""

    here: Ground
    name: str

    @property
    def url(self) -> str:
        """Where it serves its API."""
        return self.here.stack.comfyui_urls[self.name]["api_url"]

    async def prompts(self) -> list[dict[str, Any]]:
        """Everything it has accepted since it was set up, in order, restarts included."""
        return cast(list[dict[str, Any]], (await self._ask("ledger", only="prompts"))["prompts"])

    async def prompt(self, number: int, *states: str) -> dict[str, Any]:
        """Wait until the prompt at this place of the ledger is in one of these states."""

        def there(prompts: list[dict[str, Any]]) -> bool:
            return len(prompts) > number and prompts[number]["state"] in states

        return (await until(self.prompts, there, every=OFTEN))[number]

    async def gaps(self) -> list[float]:
        """Seconds it stood idle between one prompt and the next, in order."""
        return cast(list[float], (await self._ask("ledger", only="gaps"))["gaps"])

    async def tell(self, deed: str, **body: Any) -> dict[str, Any]:
        """Have it do something: `faults`, `config`, `down` …"""
        answer = await self.here.provider.post(f"{self._admin}/__sim/{deed}", json=body)
        return cast(dict[str, Any], answer.raise_for_status().json())

    async def fault(self, **rule: Any) -> Callable[[], Any]:
        """Have it misbehave; what comes back waits until that has happened."""
        number = int((await self.tell("faults", **rule))["ids"][0])

        async def hits() -> int:
            rules = (await self._ask("faults"))["rules"]
            return next(int(entry["hits"]) for entry in rules if entry["id"] == number)

        return lambda: until(hits, bool, every=OFTEN)

    async def _ask(self, what: str, **query: str) -> dict[str, Any]:
        answer = await self.here.provider.get(f"{self._admin}/__sim/{what}", params=query)
        return cast(dict[str, Any], answer.raise_for_status().json())

    @property
    def _admin(self) -> str:
        return self.here.stack.comfyui_urls[self.name]["admin_url"]


async def gpu_video(here: Ground, video_id: str, *, clips: int, size: tuple[int, int] = SMALL) -> VideoRequest:
    """A video of stills and clips of one size, which ComfyUI is to make."""
    width, height = size
    path = here.folder / f"still-{width}x{height}.png"
    if not path.exists():
        Image.effect_noise(size, 60).convert("RGB").save(path)
    request = await here.video(video_id, clips=clips, width=width, height=height)
    still = await here.objects.put(path, request.clips[0].still.key, "image/png")
    drawn = [clip.model_copy(update={"still": still}) for clip in request.clips]
    return request.model_copy(update={"clips": drawn, "provider": Provider.COMFYUI, "model": COMFYUI_GRAPH})
