"""What does not fit a contract, in words for whoever wrote it."""

from pydantic import ValidationError


def complaint(error: ValidationError) -> str:
    """Every problem on a line of its own: `clips.3.seconds: Input should be 5 or 10`."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(str(part) for part in problem["loc"] if not _is_union_branch(part))
        lines.append(f"{path or 'request'}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(dict.fromkeys(lines))


def _is_union_branch(part: int | str) -> bool:
    return isinstance(part, str) and (part.startswith("constrained-") or part[:1].isupper())
