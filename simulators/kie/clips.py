"""Clips in the making: each kind is drawn once, away from the event loop, and then served from a cache."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulators.kie.camera import move_of
from simulators.kie.config import ClipKind, KieConfig
from simulators.kie.drawing import ClipSpec, draw
from simulators.kie.images import Still, video_size
from studio.contracts.clip import CameraMove


class ClipMaker:
    """Draws clips in a small pool of threads: the renderer leaves the interpreter to us while it works."""

    def __init__(self, config: KieConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(config.workers, thread_name_prefix="clip")
        self._ready: dict[ClipSpec, Path] = {}
        self._drawing: dict[ClipSpec, asyncio.Future[Path]] = {}

    def spec(self, prompt: str, seconds: int, kind: ClipKind, still: Still | None, size: tuple[int, int]) -> ClipSpec:
        """The clip this order gets. Placeholders differ only in length, size and whether they move."""
        move = move_of(prompt)
        picture = still
        if self._config.clips == "placeholder":
            picture = None
            move = CameraMove.STATIC if move is CameraMove.STATIC else CameraMove.ZOOM_IN
            size = self._config.placeholder_size or size
        return ClipSpec(
            still=picture.sha256 if picture else None,
            move=move,
            seconds=seconds,
            width=video_size(*size)[0],
            height=video_size(*size)[1],
            strength=self._config.strength,
            kind=kind,
        )

    def ready(self, spec: ClipSpec) -> Path | None:
        """The clip, if it was drawn before, by us or by an earlier simulator."""
        if spec not in self._ready and (path := self._folder / spec.name).exists():
            self._ready[spec] = path
        return self._ready.get(spec)

    async def make(self, spec: ClipSpec, still: Still | None) -> Path:
        if spec in self._ready:
            return self._ready[spec]
        if spec not in self._drawing:
            data = still.data if still and spec.still else None
            loop = asyncio.get_running_loop()
            self._drawing[spec] = loop.run_in_executor(self._pool, draw, spec, data, self._folder, self._stop)
        try:
            # Several tasks may wait for one clip: one of them giving up must not stop it.
            self._ready[spec] = await asyncio.shield(self._drawing[spec])
        finally:
            if spec in self._drawing and self._drawing[spec].done():
                del self._drawing[spec]
        return self._ready[spec]

    async def close(self) -> None:
        self._stop.set()
        pending = list(self._drawing.values())
        for future in pending:
            future.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
