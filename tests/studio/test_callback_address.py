"""Callback addresses carry a code that only we can make, for one order."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from studio.callback_address import CallbackAddresses, CallbackSigner, CallbackSubject, is_loopback

SUBJECT = CallbackSubject("kie", "5f6c1e5e-0000-4000-8000-000000000001", "poke1", "vid_1", 7)
SECRET = "0123456789abcdef0123456789abcdef"


def test_the_code_of_an_address_fits_its_subject_and_no_other() -> None:
    signer = CallbackSigner(SECRET)
    code = signer.code(SUBJECT)
    assert signer.fits(SUBJECT, code)
    others = [
        replace(SUBJECT, provider="kling"),
        replace(SUBJECT, order_id=SUBJECT.order_id[:-1] + "2"),
        replace(SUBJECT, channel="poke"),
        replace(SUBJECT, channel="poke1v", video_id="id_1"),  # the same characters, cut elsewhere
        replace(SUBJECT, video_id="vid_17", number=7),
        replace(SUBJECT, number=77),
    ]
    assert not any(signer.fits(other, code) for other in others)
    assert not CallbackSigner(SECRET + "0").fits(SUBJECT, code)
    assert not any(
        signer.fits(SUBJECT, wrong) for wrong in ("", code[:-1], code + "0", code.upper(), "é" * 64, "\udcff")
    )


def test_the_code_is_the_same_in_every_process_and_release() -> None:
    """Orders outlive a release; another derivation would refuse their callbacks."""
    assert CallbackSigner(SECRET).code(SUBJECT) == EXPECTED


EXPECTED = "90f54ab29ea208574b857dd3ea43ead0eb7f35bc7ab75d7a5ec6a3f54eb9c326"


def test_the_address_names_the_order_last_in_its_path_and_carries_the_code() -> None:
    parts = urlsplit(CallbackAddresses("https://hooks.example.org", CallbackSigner(SECRET)).of(SUBJECT))
    assert parts.path == f"/callbacks/kie/{SUBJECT.order_id}"
    assert parse_qs(parts.query) == {"channel": ["poke1"], "video": ["vid_1"], "clip": ["7"], "signature": [EXPECTED]}
    assert "signature" not in CallbackAddresses("http://127.0.0.1:9").of(SUBJECT)


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST.")))
    public = ("0.0.0.0", "::", "192.0.2.7", "10.0.0.1", "gateway.example", "localhost.example", "", "127.0.0.1.nip.io")
    assert not any(map(is_loopback, public))
