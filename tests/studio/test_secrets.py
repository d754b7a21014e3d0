"""A secret is hidden in every spelling, wherever a text leaves the process."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.client import Client

from studio import secrets
from studio.secrets import HIDDEN, LARGE, Hider, hide, hide_in_payload, hide_known, keep_secret
from studio.store.pool import Database
from workflows_temporal.connection import StudioPlugin

SECRETS = ["sim-key/PLANTED+4f9a1c==", 'p/w#4?5@6:7%8 9&é"\\', "0123456789abcdef", "naïve-пароль-鍵-🔑"]


def spellings(secret: str) -> dict[str, str]:
    """How a provider, a proxy or a library may repeat a secret."""
    data, as_json = secret.encode(), json.dumps(secret)
    url = quote(secret, safe="")
    return {
        "as it is": secret,
        "JSON": as_json,
        "JSON, not ASCII": json.dumps(secret, ensure_ascii=False),
        "JSON with \\/": as_json.replace("/", "\\/"),
        "JSON, all escaped": "".join(f"\\u{unit:04X}" for unit in utf16(secret)),
        "JSON in JSON": json.dumps(json.dumps(as_json)),
        "address": url,
        "address, slashes stay": quote(secret),
        "address in lower case": url.replace("%2F", "%2f").replace("%3D", "%3d"),
        "address, all escaped": "".join(f"%{byte:02X}" for byte in data),
        "address in an address": quote(url, safe=""),
        "address, three times": quote(quote(url, safe=""), safe=""),
        "JSON in an address": quote(as_json, safe=""),
        "hexadecimal": data.hex(),
        "HEXADECIMAL": data.hex().upper(),
        "hexadecimal, mixed": "".join(c.upper() if n % 3 else c for n, c in enumerate(data.hex())),
        "hexadecimal with colons": data.hex(":"),
        "bytes of Python": "".join(f"\\x{byte:02x}" for byte in data),
        "HTML": "".join(f"&#{ord(c)};" for c in secret),
        "HTML, hexadecimal": "".join(f"&#x{ord(c):X};" for c in secret),
        "base64": base64.b64encode(data).decode(),
        "base64 without padding": base64.b64encode(data).decode().rstrip("="),
        "base64 of a header": base64.b64encode(f"Bearer {secret}".encode()).decode(),
        "base64, one before": base64.b64encode(b"x" + data + b"yz").decode(),
        "base64 for addresses": base64.urlsafe_b64encode(b"xy" + data + b"z").decode(),
        "base64 in lines": base64.encodebytes(b"x" * 50 + data + b"y" * 50).decode(),
        "base64 in an address": quote(base64.b64encode(data).decode(), safe=""),
        "base64 in JSON with \\/": json.dumps(base64.b64encode(b"?" + data).decode()).replace("/", "\\/"),
        "base64 of base64": base64.b64encode(base64.b64encode(data)).decode(),
        "base64 of hexadecimal": base64.b64encode(data.hex().encode()).decode(),
        "base64 of JSON": base64.b64encode(json.dumps({"key": secret}).encode()).decode(),
        "base64 of an address": base64.b64encode(f"k={url}".encode()).decode(),
        "hexadecimal of base64": base64.b64encode(data).hex(),
    }


def utf16(text: str) -> list[int]:
    units = text.encode("utf-16-be")
    return [high << 8 | low for high, low in zip(units[::2], units[1::2], strict=True)]


def test_a_secret_is_hidden_in_every_spelling_and_what_is_around_it_stays() -> None:
    hider = Hider(SECRETS)
    for secret in SECRETS:
        for name, spelled in spellings(secret).items():
            hidden = hider.known(f"before <{spelled}> after")
            assert hidden.startswith("before <") and hidden.endswith("> after"), (name, hidden)
            assert HIDDEN in hidden, (name, secret)
            assert len(hidden) < 60 or "in lines" in name or "base64" in name, (name, hidden)
            assert secret not in hidden and spelled not in hidden
            assert hider.known(hidden) == hidden, name


def test_the_case_of_a_repeated_header_hides_nothing() -> None:
    assert Hider(["sim-key/PLANTED"])("x SIM-KEY/PLANTED, sim-KEY%2fplanted") == f"x {HIDDEN}, {HIDDEN}"


def test_ordinary_texts_stay_whatever_escapes_they_hold() -> None:
    hider = Hider(SECRETS)
    texts = ["", "20% off \\ 100%", '{"a": "\\u00e9\\n\\/"}', "a%2Fb&amp;c&#x110000;&#99999999;", "%zz \\u12 \\x1"]
    texts += ["clips/01/file.mp4", base64.b64encode(bytes(range(256))).decode(), "\ud800\0\\ud83d"]
    for text in texts:
        assert hider.known(text) is text


@given(st.text(), st.text(), st.text(min_size=6), st.sampled_from([json.dumps, quote, str]))
def test_a_secret_never_comes_through(before: str, after: str, secret: str, spell: object) -> None:
    try:
        spelled = spell(secret)  # type: ignore[operator]
    except UnicodeEncodeError:
        return
    assert spelled.strip('"') not in Hider([secret])(before + spelled + after).replace(HIDDEN, "")


# ── one register for the process ─────────────────────────────────────────


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A secret of this process."""
    monkeypatch.setattr(secrets, "_ours", Hider())
    monkeypatch.setattr(secrets, "_long", Hider())
    keep_secret([SECRETS[0], "short"])
    yield SECRETS[0]


def test_data_keeps_what_may_be_an_ordinary_word_and_loses_long_secrets(planted: str) -> None:
    assert hide(f"a short {planted}") == f"a {HIDDEN} {HIDDEN}"
    assert hide_known(f"a short {planted}") == f"a short {HIDDEN}"
    assert hide_known("token=abcdefgh") == "token=abcdefgh"
    large = "x" * LARGE
    assert hide_known(f"{large} {planted}") == f"{large} {HIDDEN}"


def test_a_payload_is_still_json_when_a_secret_was_taken_out(planted: str) -> None:
    for spelled in spellings(planted).values():
        document = json.dumps({"url": f"https://x/?k={spelled}&y=1", "n": 1}).encode()
        found = json.loads(hide_in_payload(document))
        assert found["n"] == 1 and found["url"].endswith("&y=1") and HIDDEN in found["url"]
    assert hide_in_payload(b"\xff\xfe") == b"\xff\xfe"


async def test_no_spelling_reaches_a_history(planted: str, temporal: Client) -> None:
    converter = StudioPlugin().data_converter
    assert converter is not None and not callable(converter)
    for spelled in spellings(planted).values():
        (payload,) = await converter.encode([{"error": f"said {spelled}"}])
        assert HIDDEN.encode() in payload.data and spelled.encode() not in payload.data


async def test_no_spelling_and_nothing_postgresql_cannot_hold_reaches_a_table(planted: str, database: Database) -> None:
    async with database.transaction() as connection:
        for spelled in spellings(planted).values():
            row = await connection.fetchrow("select $1::text, $2::jsonb", spelled, json.dumps(spelled))
            assert row is not None
            texts = tuple(row)
            assert all(spelled not in text and HIDDEN in text for text in texts), texts
        odd = await connection.fetchval("select $1::text", "a\0b\ud800c\ud83d\ude00")
    assert odd == "a\ufffdb\ufffdc\U0001f600"
