"""What may be asked of a graph."""

from typing import Any

import pytest
from pydantic import ValidationError

from studio.contracts.render import BIGGEST_SEED, GraphParameters, Lora, LoraPair

ASKED: dict[str, Any] = {"prompt": "a cat", "seed": 1}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"seconds": 5, "frames": 81}, "say the length in seconds or in frames, not both"),
        ({"loras": [{"strength": 1}]}, "a LoRA pair needs a file for high noise, for low noise, or both"),
        ({"loras": [{"name": "a", "strength": 2.1}]}, "less than or equal to 2"),
        ({"strength": 1.1}, "less than or equal to 1"),
        ({"strength": -0.1}, "greater than or equal to 0"),
        ({"camera": "dutch_angle"}, "Input should be 'static'"),
        ({"prompt": "  "}, "at least 1 character"),
        ({"seed": BIGGEST_SEED + 1}, "less than or equal to"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GraphParameters.model_validate(ASKED | asked)


def test_loras_and_pairs_are_told_apart_on_their_way() -> None:
    parameters = GraphParameters.model_validate(
        ASKED | {"loras": (Lora(name="a"), LoraPair(low="b"), LoraPair(high="c"))}
    )
    assert GraphParameters.model_validate_json(parameters.model_dump_json()) == parameters
