"""Pictures and sounds beside a video or project file: found under the names people write, and read with bounds."""

import stat
import unicodedata
from pathlib import Path

LARGEST = 60_000_000
"""Bytes of a file that is read at all; what an engine takes is less."""


class FileUnreadable(Exception):
    """The file cannot be read; the message says why and what to do."""


def read_file(folder: Path, name: str) -> bytes:
    """The bytes of the regular file `name`, seen from `folder`.

    Raises:
        FileUnreadable: nothing there, a folder, a device, too large, an address, or no permission.
    """
    if "\0" in name:
        raise FileUnreadable("a file name cannot have a NUL character")
    if "://" in name:
        raise FileUnreadable("this is an address, not a file; download it and write the file's name")
    path = folder / name
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileUnreadable("this is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise FileUnreadable("this is no regular file")
        if status.st_size > LARGEST:
            raise FileUnreadable(f"{status.st_size:,} bytes; at most {LARGEST:,} are read")
        return path.read_bytes()
    except FileNotFoundError:
        raise FileUnreadable(_missing(folder, name)) from None
    except OSError as error:
        raise FileUnreadable(error.strerror or type(error).__name__) from None
    except ValueError as error:
        raise FileUnreadable(f"this is no file name ({error})") from None


def _missing(folder: Path, name: str) -> str:
    if (other := _same_but_for_spelling(folder, name)) is not None:
        if unicodedata.normalize("NFC", str(other)) == unicodedata.normalize("NFC", name):
            return f"no such file; {other} is there with its accents in another Unicode form: rename one of them"
        return f"no such file; did you mean {other}?"
    if "\\" in name or any(ord(sign) < 32 for sign in name):
        return "no such file; write / between folders, and no backslash"
    return "no such file"


def _same_but_for_spelling(folder: Path, name: str) -> str | None:
    """A file whose name differs only in capitals, Unicode form or the kind of slash."""
    found = folder
    parts = Path(name.replace("\\", "/")).parts
    for part in parts:
        if (found / part).exists() and part not in (".", "..") and "\\" not in name:
            found = found / part
            continue
        try:
            near = next((one for one in _nearest_first(found, part) if _folded(one.name) == _folded(part)), None)
        except OSError:
            return None
        if near is None:
            return None
        found = near
    return str(found.relative_to(folder)) if found.is_file() and found.is_relative_to(folder) else None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _nearest_first(folder: Path, name: str) -> list[Path]:
    """What is in a folder, a file of just this name before others."""
    return sorted(folder.iterdir(), key=lambda one: (one.name != name, one.name))
