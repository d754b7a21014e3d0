"""Commands, and a command's session, on the studio in this process."""

from pathlib import Path

import pytest

from commands.session import Session
from tests.commands.starter import Starter, settings_of, starter_with
from tests.studio_at_work import StudioAtWork


def session_of(studio: StudioAtWork) -> Session:
    """What a command works with."""
    scratch = studio.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return Session(
        settings=studio.settings,
        temporal=studio.temporal,
        database=studio.database,
        objects=studio.objects,
        scratch=scratch,
    )


@pytest.fixture
def session(studio: StudioAtWork) -> Session:
    """What a command works with."""
    return session_of(studio)


@pytest.fixture
def starter(studio: StudioAtWork, tmp_path: Path) -> Starter:
    """Commands that find this studio."""
    return starter_with(settings_of(studio), tmp_path / "data")
