"""The suite has two halves, `make test` and `make test-all`; CI runs both, and every test is in one of them."""

import re
import tomllib

import pytest

from tests.conftest import SLOW
from tests.house.tree import ROOT

TASKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["poe"]["tasks"]


def test_what_one_half_leaves_out_the_other_runs() -> None:
    product, rest = TASKS["suite"]["cmd"], TASKS["suite-slow"]["cmd"]
    assert product.removesuffix(" -m 'not slow'") == rest.removesuffix(" -m slow")
    assert TASKS["test"]["sequence"][-1] == "suite"
    assert TASKS["test-all"]["ref"] == "suite-slow"


def test_ci_runs_both_halves() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make (\S+)", script, re.MULTILINE) == ["test", "test-all"]


@pytest.mark.parametrize("folder", SLOW)
def test_a_folder_of_slow_tests_has_some(folder: str) -> None:
    assert list((ROOT / folder).glob("test_*.py"))


def test_a_folder_of_slow_tests_is_marked(request: pytest.FixtureRequest) -> None:
    wrong = [
        item.nodeid
        for item in request.session.items
        if item.nodeid.startswith(SLOW) and item.get_closest_marker("slow") is None
    ]
    assert wrong == []
