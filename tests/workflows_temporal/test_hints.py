"""What a video hears of its orders: by order and task, so that none hides another's, and within a bound."""

from studio.contracts.callback import CalledBack
from workflows_temporal.hints import MOST_ELSEWHERE, MOST_PER_CLIP, Hints


def told(order: str, task: str = "t", number: int = 1) -> CalledBack:
    return CalledBack(submission_id=order, number=number, task_id=task)


def taken(hints: Hints, number: int = 1) -> list[tuple[str, str]]:
    """All that is new of a clip, in the order it is taken."""
    found = []
    while hints.about(number):
        callback = hints.take(number)
        assert callback is not None
        found.append((callback.submission_id, callback.task_id))
    return found


def test_callbacks_of_two_orders_of_one_clip_or_of_two_tasks_of_one_order_do_not_hide_each_other() -> None:
    hints = Hints()
    said = [("s1", "t1"), ("s2", "t2"), ("s2", "t3"), ("s1", "forged")]
    for order, task in said:
        hints.called_back(told(order, task))
    hints.called_back(told("s3", "t4", number=2))
    assert [callback.submission_id for callback in hints.left()] == ["s1", "s2", "s2", "s1", "s3"]
    assert taken(hints) == said
    assert (hints.called(1), hints.called(2)) == (False, True)
    assert taken(hints, 2) == [("s3", "t4")]
    assert hints.left() == []


def test_a_callback_that_is_repeated_before_it_is_taken_is_one_and_later_it_is_new() -> None:
    hints = Hints()
    for _ in range(3):
        hints.called_back(told("s1"))
    assert taken(hints) == [("s1", "t")]
    hints.called_back(told("s1"))
    assert taken(hints) == [("s1", "t")]


def test_a_flood_about_one_clip_leaves_the_newest_and_the_callbacks_of_other_clips() -> None:
    hints = Hints()
    hints.called_back(told("other", number=2))
    for number in range(MOST_PER_CLIP + 5):
        hints.called_back(told(f"s{number}"))
    assert taken(hints) == [(f"s{number}", "t") for number in range(5, MOST_PER_CLIP + 5)]
    assert taken(hints, 2) == [("other", "t")]


def test_a_decision_of_a_person_comes_first_and_takes_no_callback_away() -> None:
    hints = Hints()
    hints.called_back(told("s1"))
    hints.decided(1)
    assert (hints.about(1), hints.take(1)) == (True, None)
    assert taken(hints) == [("s1", "t")]


def test_each_order_is_looked_after_elsewhere_once_and_no_more_than_a_few_of_a_video() -> None:
    hints = Hints()
    assert [hints.looks_elsewhere(order) for order in ("s1", "s2", "s1")] == [True, True, False]
    more = [hints.looks_elsewhere(f"forged {number}") for number in range(2 * MOST_ELSEWHERE)]
    assert sum(more) == MOST_ELSEWHERE - 2
