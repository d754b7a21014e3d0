"""The README is what others code against: whatever can be set or ordered is named there."""

from pathlib import Path

import pytest

from simulators import faults
from simulators.catbox import CatboxConfig
from simulators.comfyui import ComfyConfig, RunOrder
from simulators.kie import Callbacks, KieConfig, TaskOrder, WeatherConfig
from simulators.kie.weather import VARIANTS
from simulators.notion import NotionConfig

README = (Path(faults.__file__).parent / "README.md").read_text()


@pytest.mark.parametrize(
    "model",
    [KieConfig, Callbacks, TaskOrder, WeatherConfig, CatboxConfig, NotionConfig, ComfyConfig, RunOrder, faults.Rule],
)
def test_every_field_is_in_the_readme(model: type) -> None:
    fields = vars(model)["__pydantic_fields__"]
    assert [name for name in fields if f"`{name}`" not in README] == []


def test_every_fault_is_in_the_readme() -> None:
    words = [*faults._WORDS, *faults._KEYS]
    assert [word for word in words if f'"{word}"' not in README] == []


def test_every_family_of_variants_is_in_the_readme() -> None:
    families = {variant.name.partition("_")[0] for variants in VARIANTS.values() for variant in variants}
    assert [family for family in sorted(families) if f"`{family}" not in README] == []
