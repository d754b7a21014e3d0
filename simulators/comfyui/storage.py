"""The folders of a server: input, output, temp. Only the first two outlive a restart."""

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from simulators.comfyui.config import ComfyConfig
from simulators.kie.drawing import card

EXAMPLE = "example.png"
"""Every server comes with this input."""


class Outside(Exception):
    """A path that leads out of its folder."""


@dataclass(frozen=True)
class SavedFile:
    """A file as /history lists it."""

    filename: str
    subfolder: str
    type: str

    def to_json(self) -> dict[str, str]:
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


class Storage:
    """Paths and names; reading and writing is left to the callers."""

    def __init__(self, folder: Path, config: ComfyConfig) -> None:
        self.folder = folder
        self._config = config
        self._temp_runs = 0
        for kind in ("input", "output"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        self.wipe_temp()
        if not (folder / "input" / EXAMPLE).exists():
            card(512, 512).save(folder / "input" / EXAMPLE)

    def wipe_temp(self) -> None:
        shutil.rmtree(self.folder / "temp", ignore_errors=True)
        (self.folder / "temp").mkdir()
        self._temp_runs += 1

    def empty(self) -> None:
        """Back to the first minute."""
        for kind in ("input", "output"):
            for path in (self.folder / kind).iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != EXAMPLE or kind == "output":
                    path.unlink()
        self.wipe_temp()

    def path(self, kind: str, subfolder: str, filename: str) -> Path:
        """Raises `Outside`."""
        root = (self.folder / kind).resolve()
        path = (root / subfolder / filename).resolve()
        if not path.is_relative_to(root):
            raise Outside(subfolder or filename)
        return path

    def find(self, name: str) -> Path:
        """A file as it is named in a graph: `sub/name.png`, `name.png [output]`. Raises `Outside`."""
        kind = "input"
        for known in ("input", "output", "temp"):
            if name.endswith(f" [{known}]"):
                name, kind = name.removesuffix(f" [{known}]"), known
        return self.path(kind, "", name)

    def exists(self, name: str) -> bool:
        try:
            return bool(name) and self.find(name).is_file()
        except Outside:
            return False

    def inputs(self, suffixes: tuple[str, ...]) -> list[str]:
        found = (path.name for path in (self.folder / "input").iterdir() if path.is_file())
        return sorted(name for name in found if name.lower().endswith(suffixes))

    def new_file(self, prefix: str, suffix: str, kind: str = "output") -> SavedFile:
        """The next free name `<prefix>_00001_<suffix>`: counted over all suffixes. Raises `Outside`."""
        given = PurePosixPath(prefix)
        if kind == "temp":
            given = PurePosixPath(f"ComfyUI_temp_{self._temp_runs:05d}")
        subfolder = "" if str(given.parent) == "." else str(given.parent)
        folder = self.path(kind, subfolder, "x").parent
        folder.mkdir(parents=True, exist_ok=True)
        head = f"{given.name}_"
        used = [_counter(path.name.removeprefix(head)) for path in folder.iterdir() if path.name.startswith(head)]
        return SavedFile(f"{head}{max(used, default=0) + 1:05d}_{suffix}", subfolder, kind)

    def place(self, file: SavedFile) -> Path:
        return self.path(file.type, file.subfolder, file.filename)


def _counter(rest: str) -> int:
    digits = rest.partition("_")[0]
    return int(digits) if digits.isdigit() else 0
