"""Strangers call back by the hundred while a video is made: it neither hears them nor waits for them."""

import asyncio
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from simulators.kie import KieSimulator
from studio.callback_address import CallbackSigner, CallbackSubject
from tests.gateway.conftest import StartGateway
from tests.gateway.videos import CHANNEL, address
from tests.studio_at_work import Handle, eventually, make_studio

SECRET = "a-secret-for-callbacks"
AT_ONCE = 40


@pytest.mark.parametrize("forgeries", [300, pytest.param(1_500, marks=pytest.mark.slow)])
async def test_a_video_is_finished_by_its_own_callbacks_among_hundreds_of_forged_ones(
    start_gateway: StartGateway, temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path, forgeries: int
) -> None:
    """The next look of its own is half a minute away: only its callbacks end it soon, and each is heard once."""
    kie.configure(duration=(500, 500))
    gateway = await start_gateway(temporal, secret=SECRET)
    rare = {"kling_look_min_seconds": 30, "kling_look_max_seconds": 30, "kie_speed": 1}
    async with AsyncExitStack() as stack:
        studio = make_studio(
            temporal, database_url, kie, tmp_path, stack, kie_callback_url=gateway.url, callback_secret=SECRET, **rare
        )
        await studio.open()
        handle = await studio.start(await studio.request(clips=2))
        accepted = "select id from submissions where state = 'accepted' order by number"
        orders = [row["id"] for row in await eventually(lambda: studio.rows(accepted), lambda rows: len(rows) == 2)]
        await eventually(lambda: polls(kie), lambda seen: seen >= 2)
        code = CallbackSigner(SECRET).code(CallbackSubject("kie", str(orders[0]), CHANNEL, "vid_1", 1))
        forged = [
            address(intent=str(orders[0]), clip=1),
            address(intent=str(orders[1]), clip=2) + f"&signature={code}",
            address(intent=str(uuid.uuid4()), clip=1) + f"&signature={code}",
            address(intent=str(orders[0]), clip=1) + f"&signature={code[::-1]}",
        ]
        turns = asyncio.Semaphore(AT_ONCE)

        async def forge(number: int) -> int:
            async with turns:
                return (await gateway.post(forged[number % len(forged)])).status_code

        answers = Counter(await asyncio.gather(*map(forge, range(forgeries))))
        looks = kie.ledger.polls
        assert answers == {401: forgeries}
        assert await studio.rows("select * from callback_inbox") == []
        kie.advance(500)
        await handle.result()
        assert await signals(handle) == Counter(called_back=2)
        assert kie.ledger.polls - looks == 2
        assert kie.ledger.accepted == 2


async def polls(kie: KieSimulator) -> int:
    """How often the provider was asked after a task."""
    return kie.ledger.polls


async def signals(handle: Handle) -> Counter[str]:
    """Signals of callbacks that the video was sent."""
    events = [event async for event in handle.fetch_history_events()]
    signalled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    names = (
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in events
        if event.event_type == signalled
    )
    return Counter(name for name in names if name == "called_back")
