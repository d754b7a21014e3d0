"""The auditor of `python -m benchmarks weather` against evidence that is made up: it finds what is wrong, no more."""

from decimal import Decimal
from typing import Any

from benchmarks.weather_audit import Evidence, Findings, judge_books, judge_orders

PRICE = Decimal("0.21")


def task(order: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    address = f"http://gateway/callbacks/kie/{order}?channel=weather&video=video&clip={number}"
    usual = {"task_id": f"task-of-{order}", "state": "success", "billed": 42.0, "refunded": 0.0, "clip": "good"}
    return {**usual, "call_back_url": address, **fields}


def order(state: str = "settled", **fields: Any) -> dict[str, Any]:
    settled = {"verdict": "delivered", "billed_usd": PRICE} if state == "settled" else {}
    return {"state": state, "verdict": None, "billed_usd": None, "price_usd": PRICE, "reason": "", **settled, **fields}


def known(tasks: list[dict[str, Any]], orders: dict[str, dict[str, Any]], **fields: Any) -> Evidence:
    charged = sum(Decimal(str(entry["billed"] - entry["refunded"])) for entry in tasks)
    usual: dict[str, Any] = {
        "balance": 1_000 - charged,
        "heard": frozenset(),
        "listed": frozenset(),
        "takes": frozenset(entry["task_id"] for entry in tasks),
        "videos": {},
        "clips": {},
    }
    return Evidence(tasks=tasks, orders=orders, **{**usual, **fields})


def faults(evidence: Evidence) -> tuple[int, int, int]:
    """Doubled, lost, and what is wrong with the books."""
    found = Findings()
    judge_orders(evidence, found)
    judge_books(evidence, found, Decimal(1_000))
    return len(found.doubled), len(found.lost), len(found.books)


def test_what_is_in_order_is_not_blamed() -> None:
    for words, evidence in {
        "a clip in a take": known([task("a")], {"a": order()}),
        "an order of unknown fate that was accepted": known(
            [task("a")], {"a": order("unknown")}, takes=frozenset(), listed=frozenset({"a"})
        ),
        "an order of unknown fate that was not": known([], {"a": order("unknown")}),
        "a failure that cost nothing": known(
            [task("a", state="fail", refunded=42.0)], {"a": order(verdict="failed", billed_usd=Decimal(0))}
        ),
        "a failure that was billed": known([task("a", state="fail")], {"a": order(verdict="failed")}),
        "a black clip ordered again": known(
            [task("a", clip="black"), task("b")], {"a": order(verdict="bad"), "b": order()}
        ),
        "two clips of a video": known([task("a", 1), task("b", 2)], {"a": order(), "b": order()}),
    }.items():
        assert faults(evidence) == (0, 0, 0), words


def test_every_fault_is_found() -> None:
    good = task("a")
    for words, evidence, expected in [
        ("the same order twice", known([good, task("a", task_id="again")], {"a": order()}), (1, 0, 1)),
        ("a clip ordered twice", known([good, task("b")], {"a": order(), "b": order()}), (1, 0, 0)),
        (
            "a good clip called bad and ordered again",
            known([good, task("b")], {"a": order(verdict="bad"), "b": order()}),
            (1, 0, 0),
        ),
        ("delivered, and nowhere", known([good], {"a": order()}, takes=frozenset()), (0, 1, 0)),
        ("accepted, and on no list", known([good], {"a": order("accepted")}, takes=frozenset()), (0, 1, 0)),
        ("refused, and delivered", known([good], {"a": order("refused")}, takes=frozenset()), (0, 1, 1)),
        ("an order that is none of ours", known([good], {}, takes=frozenset()), (0, 1, 1)),
        ("a bill that is another", known([good], {"a": order(billed_usd=Decimal(0))}), (0, 0, 1)),
        ("a bill that is no number", known([good], {"a": order(billed_usd=Decimal("NaN"))}), (0, 0, 1)),
        (
            "a failure booked that cost nothing",
            known([task("a", state="fail", refunded=42)], {"a": order()}),
            (0, 0, 1),
        ),
        ("an account that lost more", known([good], {"a": order()}, balance=Decimal(900)), (0, 0, 1)),
    ]:
        assert faults(evidence) == expected, words
