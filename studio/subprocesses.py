"""How child processes of ours are started: with a bare environment, and ending when their parent does.

`preexec_fn` is no way to do that: it runs Python between fork and exec, and deadlocks in a process with threads.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
"""Variables that programs need to run at all. No setting of ours is among them, so no secret either."""

_SAME_PARENT = 'parent=$1; shift; [ "$PPID" = "$parent" ] && exec "$@"'
"""The parent may have died before the kernel was asked to signal its death: then the program is not started."""

_PYTHON = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
if os.getppid() == int(sys.argv[2]):
    os.execvp(sys.argv[3], sys.argv[3:])
"""
"""The same where there is no setpriv; 1 is PR_SET_PDEATHSIG (linux/prctl.h)."""


def bare_environment() -> dict[str, str]:
    """The environment of a program that reads no settings of ours."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def ending_with_parent(argv: Sequence[str | Path], how: signal.Signals = signal.SIGKILL) -> list[str]:
    """The same command, signalled by the kernel when the thread that starts it ends, also by SIGKILL.

    The process id stays the program's own. Systems other than Linux have no such signal: the command as it is.
    """
    command = [str(word) for word in argv]
    if sys.platform != "linux":
        return command
    parent = str(os.getpid())
    if (setpriv := _setpriv()) is not None:
        name = how.name.removeprefix("SIG")
        return [setpriv, "--pdeathsig", name, "--", "/bin/sh", "-c", _SAME_PARENT, "sh", parent, *command]
    return [sys.executable, "-I", "-S", "-c", _PYTHON, str(how.value), parent, *command]


@cache
def _setpriv() -> str | None:
    """setpriv of util-linux, 1 ms against Python's 15; BusyBox has one without this option."""
    found = shutil.which("setpriv")
    if found is None or not Path("/bin/sh").exists():
        return None
    tried = subprocess.run([found, "--pdeathsig", "TERM", "--", "true"], capture_output=True, check=False)
    return found if tried.returncode == 0 else None
