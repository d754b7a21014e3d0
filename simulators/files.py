"""Serving a file: whole, or the range that was asked for."""

import re

from simulators.wire import Answer

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def file_answer(data: bytes, content_type: str, wanted: str | None) -> Answer:
    """200 with everything, 206 with a part, 416 when there is no such part."""
    headers = {"Accept-Ranges": "bytes"}
    found = _RANGE.match(wanted.strip()) if wanted else None
    if found is None or not any(found.groups()):
        return Answer(data, 200, content_type, headers)
    first, last = found.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start >= len(data) or end < start:
        return Answer(b"", 416, content_type, {**headers, "Content-Range": f"bytes */{len(data)}"}, code=416)
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Answer(data[start : end + 1], 206, content_type, headers)
