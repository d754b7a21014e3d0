"""The stills beside a video file, prepared for what makes the clips, each once."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from commands.files_beside import FileUnreadable, read_file
from studio.contracts.base import MediaRef
from studio.contracts.clip import Fit, Framing, StillSource
from studio.contracts.video import Provider
from studio.errors import BadStill
from studio.media.still import Mime, PreparedStill
from studio.stills import prepared
from studio.takes import still_digest


class StillRefused(Exception):
    """The file cannot be a still; the message says why and what to do."""


@dataclass(frozen=True)
class ReadyStill:
    """A still as it goes into the object store."""

    path: Path
    """Where its bytes are now: the file itself, or a prepared copy of it."""
    sha256: str
    size: int
    mime: Mime
    source: StillSource | None
    changes: tuple[str, ...]

    def under(self, key: str) -> MediaRef:
        """The reference to it, once it lies under this key."""
        return MediaRef(key=key, sha256=self.sha256, mime=self.mime, size=self.size)


@dataclass
class StillReader:
    """Reads and prepares stills. A file is read once and a picture decoded once, however many clips begin with it."""

    folder: Path
    scratch: Path
    """Where prepared pictures are kept until they are in the object store."""
    provider: Provider
    width: int
    height: int
    _digests: dict[str, str] = field(default_factory=dict)
    _prepared: dict[tuple[str, Fit], ReadyStill | str] = field(default_factory=dict)

    def look(self, name: str, fit: Fit) -> ReadyStill:
        """The still in the file `name`.

        Raises:
            StillRefused: no regular file, no picture, or none that the video can be made with.
        """
        found = self._look(name, fit)
        if isinstance(found, str):
            raise StillRefused(found)
        return found

    def _look(self, name: str, fit: Fit) -> ReadyStill | str:
        digest = self._digests.get(name)
        if digest is not None and (digest, fit) in self._prepared:
            return self._prepared[digest, fit]
        try:
            content = read_file(self.folder, name)
        except FileUnreadable as error:
            return str(error)
        digest = self._digests[name] = hashlib.sha256(content).hexdigest()
        if (digest, fit) not in self._prepared:
            self._prepared[digest, fit] = self._ready(self.folder / name, content, digest, fit)
        return self._prepared[digest, fit]

    def _ready(self, path: Path, content: bytes, digest: str, fit: Fit) -> ReadyStill | str:
        try:
            still = prepared(content, self.provider, Framing(width=self.width, height=self.height, fit=fit))
        except BadStill as error:
            return str(error)
        sha256 = digest
        if still.content != content:
            sha256 = hashlib.sha256(still.content).hexdigest()
            path = self.scratch / f"{sha256}.{still.mime.rpartition('/')[2]}"
            path.write_bytes(still.content)
        source = _source(still, sha256, digest, fit)
        return ReadyStill(path, sha256, len(still.content), still.mime, source, still.changes)


def _source(still: PreparedStill, sha256: str, file: str, fit: Fit) -> StillSource | None:
    """What names the takes that are made with it; None: the picture's own bytes."""
    if still.changes:
        return StillSource(still=sha256, digest=still_digest(file, fit if still.fitted else "refuse"))
    # Without its metadata it is the same picture, and one that has the video's shape already is not fitted.
    return StillSource(still=sha256, digest=file) if sha256 != file or fit != "refuse" else None
