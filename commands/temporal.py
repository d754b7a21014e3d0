"""`starter.py temporal …`: Temporal's own command line, on the server that our other commands talk to."""

import os
import sys
from typing import Annotated

import typer

from commands.options import DATA, Data
from commands.session import USUAL_DATA
from local.addresses import data_directory, read_addresses
from local.temporal_server import temporal_binary

_PASSED_ON = ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE")


def temporal(
    arguments: Annotated[list[str] | None, typer.Argument(help="As for `temporal`: workflow list, say.")] = None,
    data: Data = DATA,
) -> None:
    """Call Temporal's own command line with the right address: `starter.py temporal workflow list`.

    --data has to come first; everything else is passed on as it is. TEMPORAL_ADDRESS, if set, counts before the stack.
    """
    binary = temporal_binary()
    known = read_addresses(data_directory(data, USUAL_DATA))
    settings = {name: known[name] for name in _PASSED_ON if name in known}
    sys.stdout.flush()
    os.execve(binary, [binary.name, *(arguments or ["--help"])], settings | dict(os.environ))
