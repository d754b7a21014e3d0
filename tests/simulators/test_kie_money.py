"""What an order costs, who gets it back, and how many orders the account may give."""

from typing import Any

from simulators.kie import KieSimulator
from tests.simulators.callers import KieCaller, order


async def code_of(caller: KieCaller, body: Any) -> int:
    return int((await caller.create(body)).json()["code"])


# ── money ────────────────────────────────────────────────────────────────


async def test_without_enough_credits_an_order_is_refused_with_402(kie: KieSimulator, caller: KieCaller) -> None:
    kie.configure(credits=83.5)
    assert await code_of(caller, order()) == 200
    assert await caller.credit() == 41.5
    assert await code_of(caller, order()) == 402
    assert kie.ledger.accepted == 1


async def test_a_key_has_a_cap_of_its_own_on_the_common_account(start_kie: Any) -> None:
    kie = await start_kie(api_keys=("main", "capped"), key_caps={"capped": 50})
    async with KieCaller(kie, key="main") as main, KieCaller(kie, key="capped") as capped:
        assert [await code_of(capped, order()) for _ in range(2)] == [200, 433]
        assert await code_of(main, order()) == 200
        assert await capped.credit() == await main.credit() == 10_000 - 84
        assert [task.key for task in kie.ledger.tasks] == [1, 0]


async def test_a_failed_task_is_refunded_unless_failures_are_billed(kie: KieSimulator, caller: KieCaller) -> None:
    kie.order(match="kept", fail="internal", bill_failed=True)
    kie.order(fail="internal")
    for prompt in ("given back", "kept"):
        await caller.task(order(prompt))
    kie.advance(300)
    assert [(task.billed, task.refunded) for task in kie.ledger.tasks] == [(42, 42), (42, 0)]
    assert await caller.credit() == 10_000 - 42
    kie.configure(bill_failed=True)
    await caller.task()
    kie.advance(300)
    assert await caller.credit() == 10_000 - 84
    assert kie.ledger.billed == 2


async def test_a_task_can_be_billed_more_than_its_price(kie: KieSimulator, caller: KieCaller) -> None:
    kie.order(match="dear", credits=320, duration=0)
    data = await caller.ended(await caller.task(order("a dear clip")))
    assert data["creditsConsumed"] == 320
    assert await caller.credit() == 10_000 - 320


async def test_the_balance_told_can_lag(start_kie: Any) -> None:
    kie = await start_kie(credit_lag=30)
    async with KieCaller(kie) as caller:
        await caller.task()
        assert await caller.credit() == 10_000
        kie.advance(31)
        assert await caller.credit() == 10_000 - 42


# ── how often ────────────────────────────────────────────────────────────


async def test_the_account_gets_20_orders_in_any_10_seconds_whatever_the_key(start_kie: Any) -> None:
    kie = await start_kie(api_keys=("a", "b"))
    async with KieCaller(kie, key="a") as one, KieCaller(kie, key="b") as other:
        for caller in (one, other) * 10:
            assert await code_of(caller, order()) == 200
        refused = await other.create()
        assert (refused.status_code, refused.json()["code"]) == (429, 429)
        assert "retry-after" not in refused.headers
        assert kie.ledger.accepted == 20
        assert await one.credit() == 10_000 - 20 * 42
        kie.configure(limits_as_http=False)
        soft = await one.create()
        assert (soft.status_code, soft.json()["code"]) == (200, 429)
        kie.advance(10.5)
        assert await code_of(one, order()) == 200


async def test_the_window_slides_and_can_be_switched_off(start_kie: Any) -> None:
    kie = await start_kie(rate_limit=2)
    async with KieCaller(kie) as caller:
        assert await code_of(caller, order()) == 200
        kie.advance(6)
        assert [await code_of(caller, order()) for _ in range(2)] == [200, 429]
        kie.advance(5)  # the first has left the window, the second has not
        assert [await code_of(caller, order()) for _ in range(2)] == [200, 429]
        kie.configure(rate_limit=0)
        assert {await code_of(caller, order()) for _ in range(30)} == {200}
