"""A command's session on the studio in this process."""

import pytest

from commands.session import Session
from tests.studio_at_work import StudioAtWork


@pytest.fixture
def session(studio: StudioAtWork) -> Session:
    """What a command works with."""
    return Session(studio.settings, studio.temporal, studio.database, studio.objects)
