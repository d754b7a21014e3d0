"""How long each step may take and how often it is tried again.

A killed worker goes unnoticed for as long as `heartbeat_timeout`, or `start_to_close_timeout` where there is no
heartbeat: those are kept short, because they are what a crash costs.
No policy counts attempts: an outage of our own storage delays a step, it does not fail it. What a provider may
refuse a limited number of times is counted where it is known, in the ledger of orders.
"""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from studio.errors import non_retryable_types
from workflows_temporal.addresses import TaskQueue

_FOREVER_UNLESS_HOPELESS = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
    non_retryable_error_types=non_retryable_types(),
)


def titled(config: ActivityConfig, summary: str) -> ActivityConfig:
    """The same policy with the words the web UI shows beside the activity."""
    return config | ActivityConfig(summary=summary)


_SILENCE = timedelta(seconds=8)
"""Longest silence of a step that beats every two seconds, before its worker counts as dead."""

CLIPS_IN_FLIGHT = 120
"""Clips of one video that are on their way at once: more than any gate lets in. When the server suggests to continue
as new (at 4,096 events) a video begins no further clip; with 25 events for each of those on their way it ends below
8,000, far from the limit of 51,200."""

CHECK = ActivityConfig(
    task_queue=TaskQueue.STUDIO,
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(hours=1),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)
RECORD = ActivityConfig(
    task_queue=TaskQueue.STUDIO,
    start_to_close_timeout=timedelta(seconds=12),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)
"""No deadline: a database outage delays a video and loses nothing."""
USE_TAKES = ActivityConfig(
    task_queue=TaskQueue.STUDIO,
    start_to_close_timeout=timedelta(minutes=20),
    heartbeat_timeout=_SILENCE,
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)
"""Reads one file per clip, and copies it on the store's side: 500 clips of 5 MB from a bucket are 2.5 GB."""

SENTENCES_IN_FLIGHT = 16
"""Of one batch: enough for every GPU of a studio; few, so that others do not stand behind all of a batch."""
ACCOUNT = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(minutes=1),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(minutes=10),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    priority=Priority(priority_key=1),
)
HOST = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(minutes=3),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(minutes=20),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    priority=Priority(priority_key=4),
)
"""On the queue of those who have the key. Looks and orders pass before it, and it passes before late looks, which
strangers could cause."""
RENEW = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(minutes=1),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(minutes=10),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)

LONGEST_ORDER = timedelta(hours=6)
"""From the first try at an order to its last. A still's public address has to outlive it."""
KLING_SUBMIT = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(seconds=90),
    heartbeat_timeout=timedelta(seconds=20),
    schedule_to_close_timeout=LONGEST_ORDER,
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    priority=Priority(priority_key=1),
)
"""Longer than the client's own deadline and its ledger writes: an order on its way is never cut off. A worker
that is only slow must not pass for dead, or its order is taken for lost; hence the long silence. Orders pass before
looks."""

_LOOK = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(seconds=20),
    heartbeat_timeout=timedelta(seconds=4),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)
_LAST_LOOK_MARGIN = timedelta(seconds=6)
"""A retry that would pass the deadline is not scheduled at all, so the deadline lies one look later."""

KLING_LEASE = LONGEST_ORDER + timedelta(hours=2)
"""A slot's lease: the longest order and the longest wait (`clip_deadline_seconds`) a video may ask for."""


def kling_await(deadline: timedelta) -> ActivityConfig:
    """How long to watch one clip. A look is an attempt, so nothing here may count attempts."""
    return _LOOK | ActivityConfig(schedule_to_close_timeout=deadline + _LAST_LOOK_MARGIN)


DRAW = ActivityConfig(
    task_queue=TaskQueue.MEDIA,
    start_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=_SILENCE,
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
KEEP = DRAW | ActivityConfig(schedule_to_close_timeout=timedelta(hours=6))
MOST_RENEWALS = 6
"""Times a finished clip's address is renewed in one go."""
LONGEST_PAUSE_BEFORE_RENEWAL = timedelta(minutes=1)
ASSEMBLE = ActivityConfig(
    task_queue=TaskQueue.MEDIA,
    start_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(hours=6),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)

RENDER = ActivityConfig(
    task_queue=TaskQueue.GPU,
    start_to_close_timeout=timedelta(hours=4),
    heartbeat_timeout=_SILENCE,
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
"""Waiting for a GPU is no failure, however long. Failures that may pass are counted where they happen."""
SINGLE_SENTENCE = 2
"""Place in the line for a GPU, 1 before 5: somebody looks at this one sentence, and urgent videos pass before it."""
SENTENCE_OF_BATCH = 3
"""Like a video of which nobody said anything."""

SWEEP = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(minutes=10),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)
COUNT = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    summary="what is with the provider already?",
)
KEEP_IN_LINE = ActivityConfig(
    task_queue=TaskQueue.STUDIO,
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    summary="the gate hears of those who wait",
)
TICKETS_IN_LINE = 16
"""Clips of one video that have a ticket in the line, or a still on its way: twice what any account lets in at once. A
clip that is let in makes room for the next one, so the line never lacks tickets of a long video."""
HOLDERS_ASKED_EVERY = timedelta(minutes=2)
"""A slot that is held so long is granted again, to learn whether its holder knows of it."""
LONGEST_PAUSE_BETWEEN_LOOKS_AT_CREDITS = timedelta(minutes=5)


def top_up_looks(every: timedelta) -> ActivityConfig:
    """How often a closed gate looks at the account: often at first. A look is an attempt: days cost one more event."""
    return ActivityConfig(
        task_queue=TaskQueue.KLING,
        start_to_close_timeout=timedelta(minutes=1),
        retry_policy=RetryPolicy(
            initial_interval=every,
            backoff_coefficient=1.3,
            maximum_interval=max(every, LONGEST_PAUSE_BETWEEN_LOOKS_AT_CREDITS),
            non_retryable_error_types=non_retryable_types(),
        ),
        summary="has the account been topped up?",
    )


DECIDE = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(minutes=10),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    priority=Priority(priority_key=1),
)
LATE = ActivityConfig(
    task_queue=TaskQueue.KLING,
    start_to_close_timeout=timedelta(minutes=1),
    heartbeat_timeout=_SILENCE,
    schedule_to_close_timeout=timedelta(hours=2),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    priority=Priority(priority_key=5),
)
"""Nobody waits for it: everything else passes before it."""
WAKES = 3
"""Callbacks that may bring a clip's next look forward: forged ones cost so many looks and no more."""
POST = ActivityConfig(
    task_queue=TaskQueue.STUDIO,
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(minutes=5),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
)
NOTION = ActivityConfig(
    task_queue=TaskQueue.NOTICES,
    start_to_close_timeout=timedelta(minutes=1),
    schedule_to_close_timeout=timedelta(hours=24),
    retry_policy=_FOREVER_UNLESS_HOPELESS,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
"""An older status that is on its way arrives before the newer one is sent, never after it."""

GRACE = {
    TaskQueue.STUDIO: timedelta(seconds=30),
    TaskQueue.KLING: timedelta(seconds=95),
    TaskQueue.MEDIA: timedelta(seconds=90),
    TaskQueue.GPU: timedelta(seconds=90),
    TaskQueue.NOTICES: timedelta(seconds=30),
}
"""How long a worker that shuts down lets running activities finish before it cancels them. An order must never be cut
off, so `kling` waits longer than `KLING_SUBMIT` may take; everywhere else the next attempt repeats the step. A
supervisor has to wait longer than the longest of these before it kills the process (docker-compose.yml)."""
