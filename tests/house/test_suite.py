"""The suite has two halves, `make test` and `make test-all`; CI runs both, and every test is in one of them."""

import itertools
import re
import tomllib

import pytest

from tests.house.tree import ROOT
from tests.schedule import FIRST, SLOW, TOGETHER, ByFile, rank

TASKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["poe"]["tasks"]


def test_what_one_half_leaves_out_the_other_runs() -> None:
    product, rest = TASKS["suite"]["cmd"], TASKS["suite-slow"]["cmd"]
    assert product.removesuffix(" -m 'not slow'") == rest.removesuffix(" -m slow")
    assert TASKS["test"]["sequence"][-1] == "suite"
    assert TASKS["test-all"]["ref"] == "suite-slow"


def test_ci_runs_both_halves() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make (\S+)", script, re.MULTILINE) == ["test", "test-all"]


@pytest.mark.parametrize("place", [*SLOW, *FIRST, *itertools.chain(*TOGETHER)])
def test_a_place_with_rules_of_its_own_is_there(place: str) -> None:
    assert (
        [ROOT / place] if place.endswith(".py") and (ROOT / place).is_file() else list(ROOT.glob(place + "test_*.py"))
    )


def test_what_takes_long_begins_first() -> None:
    names = ["tests/studio/test_takes.py", "tests/workflows_temporal/test_takes.py", f"{FIRST[0]}::test_x"]
    assert sorted(names, key=rank) == names[::-1]


def test_tests_that_share_what_takes_long_to_make_run_in_one_process() -> None:
    split = ByFile._split_scope
    for group in TOGETHER:
        assert {split(None, f"{place}::test_x") for place in group} == {group[0]}  # type: ignore[arg-type]
    assert split(None, "tests/house/test_suite.py::test_x") == "tests/house/"  # type: ignore[arg-type]
    assert split(None, "tests/studio/test_takes.py::test_x") == "tests/studio/test_takes.py"  # type: ignore[arg-type]


def test_a_folder_of_slow_tests_is_marked(request: pytest.FixtureRequest) -> None:
    wrong = [
        item.nodeid
        for item in request.session.items
        if item.nodeid.startswith(SLOW) and item.get_closest_marker("slow") is None
    ]
    assert wrong == []
