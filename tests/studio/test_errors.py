"""The tree of errors: what is drawn is what there is, and the lists that policies use are made from it."""

import inspect
import re
from datetime import timedelta

import pytest

from studio import errors
from studio.errors import RateLimited, StudioError, error_types, non_retryable_types, types_with

_BRANCH = re.compile(r"^    (?P<indent>[│ ]*)(?:├──|└──) (?P<name>\w+)(?P<words>.*)$", re.MULTILINE)


def classes() -> dict[str, type[StudioError]]:
    """Every error the module defines."""
    found = dict(inspect.getmembers(errors, inspect.isclass))
    return {name: kind for name, kind in found.items() if issubclass(kind, StudioError)}


def drawn() -> dict[str, tuple[str, str]]:
    """Name → parent and words, as the docstring draws them."""
    above = ["StudioError"]
    tree = {}
    for branch in _BRANCH.finditer(errors.__doc__ or ""):
        depth = len(branch["indent"]) // 4 + 1
        del above[depth:]
        tree[branch["name"]] = (above[-1], branch["words"])
        above.append(branch["name"])
    return tree


def test_the_tree_that_is_drawn_is_the_tree_there_is() -> None:
    there = {name: kind.__bases__[0].__name__ for name, kind in classes().items() if kind is not StudioError}
    assert {name: parent for name, (parent, _) in drawn().items()} == there


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        ("retryable", "retryable"),
        ("benign", "benign"),
        ("stops everyone", "stops_everyone"),
        ("until a top-up", "until_top_up"),
    ],
)
def test_what_the_drawing_says_of_an_error_is_true_of_it(words: str, flag: str) -> None:
    tree = drawn()

    def said(name: str) -> bool:
        parent, told = tree.get(name, ("", ""))
        if "final" in told:  # a kind of something retryable that trying again cannot mend
            return False
        return words in told or (parent in tree and said(parent))

    assert {name for name in tree if said(name)} == {name for name, kind in classes().items() if getattr(kind, flag)}


def test_the_drawing_stands_in_the_order_of_the_module() -> None:
    order = [name for name in re.findall(r"^class (\w+)", inspect.getsource(errors), re.MULTILINE)]
    assert order == ["StudioError", *drawn()]


def test_exactly_the_errors_that_are_not_retryable_are_listed_by_name() -> None:
    """Temporal compares names: a child that is not listed is tried again for ever."""
    assert non_retryable_types() == sorted(name for name, kind in classes().items() if not kind.retryable)


def test_what_may_be_tried_again_is_few() -> None:
    assert {name for name, kind in classes().items() if kind.retryable} == {
        "RateLimited",
        "Maintenance",
        "ProviderUnavailable",
        "StillRendering",
        "StillInLine",
        "BeingOrdered",
        "NotToppedUp",
        "OutOfMemory",
        "ServerFileTrouble",
        "ServerUnfit",
        "RenderStuck",
        "ServerGone",
        "ServerBusy",
        "OutputMissing",
        "DownloadBroken",
        "NotAVideo",
        "WorkFolderFull",
        "StorageUnavailable",
        "DatabaseUnavailable",
        "ObjectStoreUnavailable",
    }


def test_an_order_nobody_knows_of_is_never_sent_again() -> None:
    assert "SubmissionUnknown" in non_retryable_types()


def test_these_errors_stop_everyone_and_nothing_else_does() -> None:
    assert types_with("stops_everyone") == {
        "AuthenticationError",
        "InsufficientCredits",
        "SpendingCapReached",
        "PriceMismatch",
        "DeliveryMismatch",
    }
    assert types_with("stops_everyone") <= set(non_retryable_types())


def test_a_top_up_ends_what_is_a_matter_of_money_and_nothing_else() -> None:
    assert types_with("until_top_up") == {"InsufficientCredits", "SpendingCapReached"}
    assert types_with("until_top_up") <= types_with("stops_everyone")


def test_no_two_errors_share_a_name() -> None:
    names = [kind.__name__ for kind in error_types()]
    assert len(names) == len(set(names)) == len(classes())


@pytest.mark.parametrize("kind", list(classes().values()), ids=lambda kind: kind.__name__)
def test_an_error_without_words_says_its_own_sentence(kind: type[StudioError]) -> None:
    assert str(kind()) == (kind.__doc__ or "").splitlines()[0]
    assert str(kind()).endswith(".")
    assert str(kind("Check KIE_API_KEY")) == "Check KIE_API_KEY"


def test_an_error_may_say_when_to_come_back() -> None:
    assert RateLimited().retry_after is None
    assert RateLimited(retry_after=timedelta(seconds=10)).retry_after == timedelta(seconds=10)
