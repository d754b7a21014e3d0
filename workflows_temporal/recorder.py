"""Writing down how clips ended, while the others go on; most were written down where their files came home."""

import asyncio

from temporalio import workflow

from activities.records import RecordActivities
from studio.contracts.clip import ClipOutcome
from studio.contracts.video import ClipRecord, VideoName
from workflows_temporal.policies import RECORD


def revision() -> int:
    """Workflow time in milliseconds: it grows from change to change and from run to run of one video."""
    return int(workflow.now().timestamp() * 1_000)


class Recorder:
    """Writes outcomes one by one, never in bunches: what falls into one bunch may not replay (decision 0016)."""

    def __init__(self, video: VideoName) -> None:
        self._video = video
        self._writing: list[asyncio.Task[None]] = []

    def add(self, outcome: ClipOutcome) -> None:
        """Have it written; nobody waits for it."""
        self._writing = [writing for writing in self._writing if not writing.done()]
        self._writing.append(asyncio.create_task(self._write(outcome)))

    async def flush(self) -> None:
        """Everything given so far is written."""
        while writing := [task for task in self._writing if not task.done()]:
            await workflow.wait(writing)

    async def _write(self, outcome: ClipOutcome) -> None:
        name = self._video
        record = ClipRecord(channel=name.channel, video_id=name.video_id, outcome=outcome, revision=revision())
        await workflow.execute_activity_method(RecordActivities.record_clip, record, **RECORD)
