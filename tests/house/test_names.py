"""A name given to Temporal is public: histories and other languages hold on to it."""

from temporalio import workflow

from studio.contracts.model import ModelCategory
from tests.house.test_registration import activity_names, workflow_names
from workflows_temporal.addresses import (
    KLING_GATE_ID,
    SEARCH_ATTRIBUTES,
    TaskQueue,
    clip_workflow_id,
    image_workflow_id,
    project_draft_workflow_id,
    project_review_workflow_id,
    project_workflow_id,
    video_workflow_id,
)

ACTIVITIES = {
    "await_clip": "KlingActivities",
    "await_late": "LateActivities",
    "await_top_up": "BalanceActivities",
    "book_costs": "RecordActivities",
    "check_account": "KlingActivities",
    "check_video": "IntakeActivities",
    "choose_sentences": "BatchActivities",
    "close_video": "RecordActivities",
    "compare_project": "ProjectActivities",
    "decide_order": "DeskActivities",
    "draw_clip": "AnimaticActivities",
    "end_video": "RecordActivities",
    "find_gone_holders": "GateActivities",
    "find_orders_in_flight": "GateActivities",
    "find_lost_takes": "TakeActivities",
    "host_image": "HostingActivities",
    "join_clips": "MediaActivities",
    "keep_in_line": "TicketActivities",
    "keep_clip": "KeepingActivities",
    "make_contact_sheet": "MediaActivities",
    "open_video": "RecordActivities",
    "plan_sentence": "SentenceActivities",
    "post_notice": "NoticeActivities",
    "recall_video": "RecordActivities",
    "record_clip": "RecordActivities",
    "record_late": "RecordActivities",
    "remove_unfinished": "KeepingActivities",
    "render_clip": "ComfyActivities",
    "render_graph": "ComfyActivities",
    "renew_link": "KlingActivities",
    "resubmit_lost": "DeskActivities",
    "set_video_status": "RecordActivities",
    "set_notion_status": "NoticeActivities",
    "submit_clip": "KlingActivities",
    "use_render": "SentenceActivities",
    "use_takes": "TakeActivities",
    "write_project": "ProjectActivities",
}
HANDLERS = {
    "ClipWorkflow": {"progress"},
    "DeskWorkflow": set(),
    "LateClipWorkflow": set(),
    "GateWorkflow": {"abandon", "accepted", "enter", "leave", "resume", "stand_by", "still_waiting"}
    | {"set_limit", "set_weight", "state", "tickets", "topped_up", "trip"},
    "ImageWorkflow": {"progress"},
    "NoticeWorkflow": {"post"},
    "ProjectDraftWorkflow": set(),
    "ProjectReviewWorkflow": set(),
    "ProjectWorkflow": {"progress", "stop"},
    "VideoWorkflow": {"called_back", "order_decided", "progress", "resume", "stop"},
}


def test_activity_names_stay() -> None:
    assert activity_names() == ACTIVITIES


def test_workflow_and_handler_names_stay() -> None:
    handlers = {}
    for name, owner in workflow_names().items():
        definition = workflow._Definition.must_from_class(owner)
        handlers[name] = {str(n) for n in (*definition.signals, *definition.updates, *definition.queries)}
    assert handlers == HANDLERS


def test_addresses_stay() -> None:
    assert {str(queue) for queue in TaskQueue} == {"studio", "kling", "media", "gpu", "notices"}
    assert video_workflow_id("poke1", "vid_1") == "video/poke1/vid_1"
    assert image_workflow_id("poke1", "story", "s1") == "image/poke1/story/s1"
    assert clip_workflow_id("poke1", "story", "s1") == "clip/poke1/story/s1"
    assert project_workflow_id("poke1", "story", ModelCategory.VIDEO) == "project/poke1/story/video"
    assert project_draft_workflow_id("poke1", "story") == "project/poke1/story/write"
    assert project_review_workflow_id("poke1", "story") == "project/poke1/story/compare"
    assert KLING_GATE_ID == "gate/kling"
    assert [key.name for key in SEARCH_ATTRIBUTES] == ["Channel", "VideoStatus"]
