"""In which order the tests run, and which of them in one process."""

from xdist.scheduler import LoadFileScheduling

SLOW = (
    "tests/simulators/",
    "tests/benchmarks/",
    "tests/local/test_stack.py",
    "tests/end_to_end/test_backup.py",
    "tests/end_to_end/test_changed_videos.py",
    "tests/end_to_end/test_comfy.py",
)
"""All tests in these places are marked slow: other programs' tests, and whole stacks of processes around what faster
tests of the same behaviour hold already."""

FIRST = (
    "tests/local/test_up.py",
    "tests/benchmarks/",
    "tests/end_to_end/test_demo.py",
    "tests/end_to_end/test_crashes.py",
    "tests/workflows_temporal/test_long_video.py",
    "tests/end_to_end/",
    "tests/workflows_temporal/",
    "tests/commands/",
    "tests/local/",
    "tests/gateway/",
)
"""What takes long, longest first, so that at the end no process works alone on it."""

TOGETHER = (
    (
        "tests/end_to_end/test_changed_videos.py",
        "tests/end_to_end/test_command_line.py",
        "tests/end_to_end/test_secrets.py",
    ),
    ("tests/house/",),
)
"""Tests that share what takes long to make: one stack, the syntax trees of all modules."""


def rank(nodeid: str) -> int:
    """Where a test is in the order of `FIRST`; tests of the same rank keep their order."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Gives a file to one process, and files that are together to the same."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return next((group[0] for group in TOGETHER if file.startswith(group)), file)
