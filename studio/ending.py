"""How our processes end.

Temporal's SDK leaves threads of its Rust runtime behind that call into Python while the interpreter takes itself
apart; now and then that ends a process that did all its work with SIGABRT (temporalio/sdk-python#300). So we flush
what was said and leave without taking anything apart.
"""

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn


def run_and_leave(main: Callable[[], object]) -> NoReturn:
    """Run a process's main function and end the process with its exit status."""
    status = 0
    try:
        main()
        sys.stdout.flush()
    except SystemExit as leaving:
        status = _status(leaving.code)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # whoever read what we print has gone, as in `starter.py … | head`
        status = 141
    except BaseException:
        traceback.print_exc()
        status = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(status)


def _status(code: object) -> int:
    """As Python does it: nothing is 0, a number is itself, words are printed and count as 1."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1
