"""What happened, one JSON line at a time, written before anybody is told: it survives `kill -9`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Append only. Without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._file: int | None = None

    def open(self) -> None:
        if self._path is not None:
            cut_off = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
            self._file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
            if cut_off:
                os.write(self._file, b"\n")  # what comes next must not be lost with the broken line

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def write(self, event: str, **facts: Any) -> None:
        if self._file is not None:
            # Unbuffered: what the kernel has, no signal can take back.
            os.write(self._file, json.dumps({"event": event, **facts}).encode() + b"\n")

    def read(self) -> Iterator[dict[str, Any]]:
        """Everything written so far; a last line cut off by a kill is left out."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
