"""What is told of a sentence beside what its render tells."""

from datetime import UTC, datetime

from temporalio import activity

from studio.contracts.progress import Progress, Stage
from studio.contracts.sentence import SentencePlan
from studio.store.events import EventStore


async def tell_done(plan: SentencePlan, events: EventStore) -> None:
    """The sentence has what was planned."""
    news = Progress(
        job=activity.info().workflow_id or "-",
        channel=plan.channel,
        project_id=plan.project_id,
        sentence_id=plan.sentence_id,
        take=plan.order.take,
        stage=Stage.DONE,
        fraction=1,
        at=datetime.now(UTC),
    )
    await events.publish(news)
