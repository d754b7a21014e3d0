"""How to reach a workflow: queues, ids, search attributes."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from temporalio.common import SearchAttributeKey

from studio.contracts.base import IDENTIFIER
from studio.contracts.model import ModelCategory


class TaskQueue(StrEnum):
    """Each queue is named after the scarce thing that serves it."""

    STUDIO = "studio"
    """Workflows, records, short errands."""
    KLING = "kling"
    """Requests that count against our key at KIE.ai: orders and looks."""
    MEDIA = "media"
    """This machine's cores: encoders, checks, joins."""
    GPU = "gpu"
    """One render at a time per GPU."""
    NOTICES = "notices"
    """Requests that count against our integration at Notion."""


KLING_GATE_ID = "gate/kling"

VIDEO_WORKFLOW = "VideoWorkflow"
LATE_CLIP_WORKFLOW = "LateClipWorkflow"
"""Names of workflow types, for callers that have to start quickly: a workflow's module imports every activity."""

CHANNEL = SearchAttributeKey.for_keyword("Channel")
VIDEO_STATUS = SearchAttributeKey.for_keyword("VideoStatus")
SEARCH_ATTRIBUTES = (CHANNEL, VIDEO_STATUS)


def desk_workflow_id(submission_id: str) -> str:
    """The decision that is being carried out about an order: one at a time."""
    return f"desk/{submission_id}"


def late_workflow_id(submission_id: str) -> str:
    """Looking after an order no video waits for: once, and again only if that failed."""
    return f"late/{submission_id}"


def video_workflow_id(channel: str, video_id: str) -> str:
    """The video's workflow. Starting a video that runs is refused by Temporal, whoever tries."""
    return f"video/{channel}/{video_id}"


def video_name(workflow_id: str) -> tuple[str, str] | None:
    """Channel and name of the video whose workflow this is; None: it is no video's."""
    match workflow_id.split("/"):
        case ["video", channel, video_id] if re.fullmatch(IDENTIFIER, channel) and re.fullmatch(IDENTIFIER, video_id):
            return channel, video_id
    return None


def image_workflow_id(channel: str, project_id: str, sentence_id: str) -> str:
    """The workflow that makes a sentence's picture: one at a time."""
    return f"image/{channel}/{project_id}/{sentence_id}"


def clip_workflow_id(channel: str, project_id: str, sentence_id: str) -> str:
    """The one that makes its clip."""
    return f"clip/{channel}/{project_id}/{sentence_id}"


def project_workflow_id(channel: str, project_id: str, category: ModelCategory) -> str:
    """A project's batch of pictures, or of clips: `project/poke1/story/image`. One of each at a time."""
    return f"project/{channel}/{project_id}/{category}"


def project_draft_workflow_id(channel: str, project_id: str) -> str:
    """The writing of a project: one at a time."""
    return f"project/{channel}/{project_id}/write"


def project_review_workflow_id(channel: str, project_id: str) -> str:
    """The comparison of a project with what would be made today."""
    return f"project/{channel}/{project_id}/compare"


WORKFLOW_IDS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "VideoWorkflow": lambda request: video_workflow_id(request.channel, request.video_id),
        "GateWorkflow": lambda state: KLING_GATE_ID,
        "DeskWorkflow": lambda decision: desk_workflow_id(decision.submission_id),
        "LateClipWorkflow": lambda order: late_workflow_id(order.submission_id),
        "ImageWorkflow": lambda sentence: image_workflow_id(
            sentence.channel, sentence.project_id, sentence.sentence_id
        ),
        "ClipWorkflow": lambda sentence: clip_workflow_id(sentence.channel, sentence.project_id, sentence.sentence_id),
        "ProjectWorkflow": lambda batch: project_workflow_id(batch.channel, batch.project_id, batch.category),
        "ProjectDraftWorkflow": lambda draft: project_draft_workflow_id(draft.channel, draft.project_id),
        "ProjectReviewWorkflow": lambda name: project_review_workflow_id(name.channel, name.project_id),
    }
)
"""Workflow type → the only id its input may be started under. A workflow without input has none of its own."""
