"""Who comes first at a GPU that many wait for."""

from typing import Any

from simulators.comfyui import ComfySimulator
from studio.contracts.progress import Stage
from studio.contracts.video import Provider
from tests.story import Story
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.image import ImageWorkflow

VIDEO: dict[str, Any] = {"provider": Provider.COMFYUI, "width": 256, "height": 256}
LONG_NAME = "poke2" + "-" * 95
"""A channel's name may be longer than what Temporal takes for telling channels apart."""


async def waits(handle: Any, count: int) -> None:
    """Wait until so many renders stand in the line."""

    async def look() -> int:
        pending = (await handle.describe()).raw_description.pending_activities
        return sum(one.activity_type.name in ("render_clip", "render_graph") for one in pending)

    await eventually(look, lambda seen: seen == count)


async def test_urgent_videos_pass_before_single_sentences_these_before_batches_and_channels_take_turns(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1", "s2")
    await gpu_studio.close()
    await gpu_studio.open(TaskQueue.STUDIO, TaskQueue.MEDIA)

    slow = await gpu_studio.start(await gpu_studio.request("slow", clips=2, channel=LONG_NAME, priority=5, **VIDEO))
    await waits(slow, 2)
    usual = await gpu_studio.start(await gpu_studio.request("usual", clips=3, channel=LONG_NAME, **VIDEO))
    await waits(usual, 3)
    batch = await story.start_batch(sentence_ids=("s2",))
    await waits(batch, 1)
    single = await story.start_image("s1")
    await waits(single, 1)
    urgent = await gpu_studio.start(await gpu_studio.request("urgent", clips=1, priority=1, **VIDEO))
    await waits(urgent, 1)
    assert (await single.query(ImageWorkflow.progress)).stage is Stage.WAITING

    await gpu_studio.open(TaskQueue.GPU)
    for handle in (slow, usual, batch, single, urgent):
        await handle.result()
    whose = await owners(story)
    order = [whose[entry.prefix.split("/")[1]] for entry in comfy.ledger.prompts]
    assert order[:2] == ["urgent", "s1"]
    # Three clips of one channel were there first; the other channel's picture does not wait for all of them.
    assert "s2" in order[2:4]
    assert sorted(order[2:6]) == ["s2", "usual", "usual", "usual"]
    assert order[6:] == ["slow"] * 2


async def owners(story: Story) -> dict[str, str]:
    """Which video or sentence each take is of."""
    clips = await story.studio.rows("select take, video_id as whose from clips")
    pictures = await story.studio.rows("select image_take as take, sentence_id as whose from sentences")
    return {row["take"]: row["whose"] for row in [*clips, *pictures]}
