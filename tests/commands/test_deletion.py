"""`video delete`: a video goes away with its files and its history; what was paid stays unless it is named."""

from commands.failures import ExitCode
from simulators.kie import KieSimulator
from tests.commands.starter import Starter
from tests.studio_at_work import StudioAtWork
from workflows_temporal.addresses import video_workflow_id
from workflows_temporal.executions import Executions
from workflows_temporal.gate import GateWorkflow

NAME = "poke1/vid_1"


async def test_a_video_is_deleted_with_its_history_and_its_takes_are_used_again(
    studio: StudioAtWork, starter: Starter, kie: KieSimulator
) -> None:
    request = await studio.request(clips=2)
    await studio.make(request)
    unsure = await starter("video", "delete", NAME)
    assert unsure.code != 0
    done = await starter("video", "delete", NAME, "--yes")
    assert done.code == 0, done.stderr
    assert await studio.rows("select 1 from videos") == await studio.rows("select 1 from clips") == []
    assert await Executions(studio.temporal).find(video_workflow_id("poke1", "vid_1")) is None
    left = await studio.objects.keys("channels/poke1")
    assert not [key for key in left if "/videos/vid_1/" in key]
    assert len([key for key in left if "/takes/" in key and key.endswith(".mp4")]) == 2
    assert "No video is called" in (await starter("video", "status", NAME)).stderr
    again = await studio.make(request)
    assert again.summary == "Skipped 2 existing clips, generated 0 new clips"
    assert kie.ledger.accepted == 2


async def test_takes_that_another_video_uses_stay(studio: StudioAtWork, starter: Starter, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    await studio.make(request)
    await studio.make(request.model_copy(update={"video_id": "vid_2", "clips": request.clips[:1]}))
    done = (await starter("video", "delete", NAME, "--takes", "--json")).json
    assert (done["deleted"], len(done["takes"])) == (NAME, 1)
    (take,) = await studio.rows("select take from takes")
    assert take["take"] not in done["takes"]
    files = [key for key in await studio.objects.keys("channels/poke1/takes") if key.endswith(".mp4")]
    assert files == [f"channels/poke1/takes/{take['take']}.mp4"]
    assert (await starter("video", "result", "poke1/vid_2")).code == 0
    assert len(await studio.rows("select 1 from submissions where is_here")) >= 1


async def test_a_video_that_runs_or_has_orders_at_the_provider_is_not_deleted(
    studio: StudioAtWork, starter: Starter, kie: KieSimulator
) -> None:
    await studio.gate.execute_update(GateWorkflow.set_limit, 0)
    await studio.start(await studio.request(clips=1))
    refused = await starter("video", "delete", NAME, "--yes")
    assert (refused.code, "video cancel" in refused.stderr) == (ExitCode.WRONG_INPUT, True)
    assert (await starter("video", "delete", "poke1/none", "--yes")).code == ExitCode.WRONG_INPUT


async def test_a_take_is_deleted_unless_a_video_uses_it(
    studio: StudioAtWork, starter: Starter, kie: KieSimulator
) -> None:
    request = await studio.request(clips=1)
    first = (await studio.make(request)).clips[0].take
    other = request.clips[0].model_copy(update={"variant": 2})
    second = (await studio.make(request.model_copy(update={"clips": [other]}))).clips[0].take
    assert first and second
    used = await starter("video", "delete-take", NAME, "1", second[:12], "--yes")
    assert (used.code, f"is used by {NAME}" in used.stderr) == (ExitCode.WRONG_INPUT, True)
    unknown = await starter("video", "delete-take", NAME, "1", "ffff", "--yes")
    assert (unknown.code, "has none of this name" in unknown.stderr) == (ExitCode.WRONG_INPUT, True)
    assert (await starter("video", "delete-take", NAME, "1", first[:12])).code != 0
    (order,) = await studio.rows("update submissions set state = 'unknown' where take = $1 returning id, state", first)
    paid = await starter("video", "delete-take", NAME, "1", first[:12], "--yes")
    assert (paid.code, "with the provider, and paid" in paid.stderr) == (ExitCode.WRONG_INPUT, True)
    await studio.rows("update submissions set state = 'settled' where id = $1 returning id", order["id"])
    done = await starter("video", "delete-take", NAME, "1", first[:12], "--json")
    assert done.json == {"deleted": first}, done.stderr
    assert [row["take"] for row in await studio.rows("select take from takes")] == [second]
    assert [row["take"] for row in await studio.rows("select take from clip_takes")] == [second]
    left = await studio.objects.keys("channels/poke1/takes")
    assert left
    assert all(second in key for key in left)
    assert len(await studio.rows("select 1 from submissions where take = $1 and is_here", first)) == 1
    assert kie.ledger.accepted == 2
