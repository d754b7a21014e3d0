"""A command's session on the studio in this process."""

import pytest

from commands.session import Session
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
