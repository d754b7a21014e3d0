"""How a process ends: with the status its main function asked for, everything said, nothing taken apart."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREAMBLE = """
import atexit, logging, sys
from studio.ending import run_and_leave
atexit.register(lambda: print("taken apart", file=sys.stderr))
"""


def program(body: str) -> list[str]:
    """A process whose main function is `body`."""
    main = f"def main():\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
    return [sys.executable, "-c", f"{PREAMBLE}{main}run_and_leave(main)\nprint('came back')"]


def run(body: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(program(body), cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)


STATUSES = [
    ("pass", 0, ""),
    ("return 7", 0, ""),
    ("sys.exit()", 0, ""),
    ("sys.exit(0)", 0, ""),
    ("sys.exit(3)", 3, ""),
    ("sys.exit(True)", 1, ""),
    ("sys.exit('KIE_API_KEY: is not set')", 1, "KIE_API_KEY: is not set\n"),
    ("raise KeyboardInterrupt", 130, ""),
]


@pytest.mark.parametrize(("body", "status", "words"), STATUSES)
def test_the_status_is_the_one_python_would_give(body: str, status: int, words: str) -> None:
    done = run(body)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", words)


def test_what_nobody_caught_is_shown_and_is_a_failure() -> None:
    done = run("raise ValueError('what is this?')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: what is this?\n")


def test_everything_that_was_said_is_heard() -> None:
    """A pipe is buffered, and a log handler may be."""
    done = run(
        """
        from logging.handlers import MemoryHandler
        target = logging.StreamHandler(sys.stderr)
        logging.getLogger().addHandler(MemoryHandler(100, flushLevel=logging.CRITICAL, target=target))
        logging.getLogger().warning("a log line")
        sys.stdout.write("x" * 100_000)
        """
    )
    assert done.returncode == 0
    assert done.stdout == "x" * 100_000
    assert done.stderr == "a log line\n"


def test_a_thread_that_never_ends_holds_nobody_up() -> None:
    assert run("import threading; threading.Thread(target=threading.Event().wait).start()").returncode == 0


def test_nobody_reads_any_more_and_the_process_still_just_leaves() -> None:
    body = "sys.stdin.readline(); print('nobody reads this')"
    with subprocess.Popen(
        program(body), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate("go\n", timeout=240)
    assert "Traceback" not in said
    assert "taken apart" not in said
    assert process.returncode == 141
