"""How a clip ended, in the books: its row, its take, its order."""

import structlog

from studio.contracts.video import ClipRecord
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.store.videos import VideoStore

_log = structlog.get_logger()


class Recording:
    """Writes outcomes down. Doing it again changes nothing."""

    def __init__(self, videos: VideoStore, takes: TakeStore, ledger: SubmissionLedger) -> None:
        self.takes = takes
        self.ledger = ledger
        self._videos = videos

    async def write(self, record: ClipRecord) -> None:
        """Write an outcome down, and close the books on its order when its last look could not."""
        outcome = record.outcome
        if outcome.done and outcome.submission_id and outcome.task_id:
            await self.ledger.settle_late(outcome.submission_id, outcome.task_id, outcome.cost_usd)
        if outcome.file and outcome.take:
            await self.takes.finish(
                record.channel,
                outcome.take,
                outcome.file,
                cost_usd=outcome.cost_usd,
                submission_id=outcome.submission_id,
                task_id=outcome.task_id,
            )
        await self._videos.record_clips(record.channel, record.video_id, [outcome], record.revision)
        _log.info(
            "clip.recorded",
            clip=outcome.number,
            status=outcome.status,
            cost_usd=str(outcome.cost_usd),
            generation_seconds=outcome.generation_seconds,
            size_bytes=outcome.file.media.size if outcome.file else None,
            error_type=outcome.error_type,
            error=outcome.error,
        )
