"""What is known of sentences."""

from dataclasses import dataclass

from studio.store.events import EventStore
from studio.store.models import ModelStore
from studio.store.projects import ProjectStore
from studio.store.renders import RenderStore


@dataclass(frozen=True)
class SentenceStores:
    """Where sentences stand, what they are made with, and where it is told."""

    projects: ProjectStore
    models: ModelStore
    renders: RenderStore
    events: EventStore
