"""Reasons are cut to what a payload has room for, in any script."""

import json
import re

import pytest

from studio.contracts.excerpt import LONGEST_REASON, MOST_BYTES, excerpt

SCRIPTS = {
    "latin": "the tensor is haunted ",
    "chinese": "電視台的走廊",
    "emoji": "\N{GHOST}\N{ALIEN MONSTER}",
    "quotes": '"\\"\n\t',
    "control": "\x00\x1b\x7f\ud800",
    "arabic": "الممر المسكون ",
    "hangul": "유령의 복도 ",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_long_reason_is_cut_by_characters_and_by_bytes_of_json(script: str) -> None:
    sample = SCRIPTS[script]
    for length in (1, 10, 100, 400, 499, 500, 501, 10_000):
        text = (sample * length)[:length]
        cut = excerpt(text)
        assert len(cut) <= LONGEST_REASON
        assert len(json.dumps(cut, ensure_ascii=False).encode()) - 2 <= MOST_BYTES
        assert not re.search(r"[\x00-\x08\x7f\ud800]", cut)
        assert excerpt(cut) == cut
        assert cut.endswith("…") == (len(cut) < length)
        for most in (10, 250, 800):
            assert len(json.dumps(excerpt(text, most_bytes=most), ensure_ascii=False).encode()) - 2 <= most


def test_what_fits_stays_as_it_is() -> None:
    assert excerpt("KIE.ai refused it:\n\tno credits") == "KIE.ai refused it:\n\tno credits"
    assert excerpt("電" * 500) == "電" * 500
