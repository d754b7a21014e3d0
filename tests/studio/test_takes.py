"""What names a take: everything its maker is told, and nothing else."""

from typing import Any

import pytest

from studio.contracts.base import MediaRef
from studio.contracts.clip import CameraMove, ClipRequest, MotionPrompt, StillSource
from studio.contracts.project import SentenceId
from studio.contracts.render import BIGGEST_SEED, GraphParameters, Lora, LoraPair
from studio.contracts.take import RenderParts, TakeParts
from studio.contracts.video import Provider, VideoRequest
from studio.takes import (
    RENDER_FORMAT,
    TAKE_FORMAT,
    digest_of_render,
    digest_of_take,
    parts_of,
    seed_of,
    still_digest,
    takes_of,
)

STILL = MediaRef(key="channels/poke1/videos/vid_1/stills/clip_01.png", sha256="ab" * 32, mime="image/png")
KLING = TakeParts(
    provider=Provider.KLING,
    model="kling/v2-5-turbo-image-to-video-pro",
    prompt="Pokémon floats down the corridor. Slow dolly forward.",
    still=STILL,
    seconds=5,
    width=1_920,
    height=1_080,
    camera=CameraMove.ZOOM_IN,
    strength=0.5,
)
DRAWN = KLING.model_copy(update={"provider": Provider.ANIMATIC, "model": "animatic-1"})
RENDERED = KLING.model_copy(update={"provider": Provider.COMFYUI, "model": "wan22_i2v@0123456789abcdef"})
GOLDEN = "33e8014ff7703936a8ad2eebac374611f439e67fc5f526b7e0bb881196a9968d"
OTHER: dict[str, Any] = {
    "provider": Provider.ANIMATIC,
    "model": "another",
    "prompt": "Pokemon floats down the corridor. Slow dolly forward.",
    "still": STILL.model_copy(update={"sha256": "ab" * 31 + "ac"}),
    "source": "cd" * 32,
    "fit": "crop",
    "seconds": 10,
    "width": 1_280,
    "height": 720,
    "camera": CameraMove.ORBIT,
    "strength": 0.6,
    "options": '{"fast":true}',
    "variant": 2,
}


def changed(parts: TakeParts, part: str) -> TakeParts:
    return parts.model_copy(update={part: OTHER[part]})


def test_a_take_has_the_digest_it_always_had() -> None:
    """When this fails, clips that were paid for are not found again. Change TAKE_FORMAT only on purpose."""
    assert TAKE_FORMAT == "take-2"
    assert digest_of_take(KLING) == GOLDEN


def test_every_part_is_tried_below() -> None:
    assert TakeParts.model_fields.keys() == OTHER.keys()


@pytest.mark.parametrize("part", sorted(OTHER.keys() - {"camera", "strength"}))
def test_what_kling_is_told_counts(part: str) -> None:
    assert digest_of_take(changed(KLING, part)) != digest_of_take(KLING)


@pytest.mark.parametrize("part", sorted(OTHER.keys() - {"prompt", "provider"}))
def test_what_the_local_renderer_is_told_counts(part: str) -> None:
    assert digest_of_take(changed(DRAWN, part)) != digest_of_take(DRAWN)


@pytest.mark.parametrize("part", sorted(OTHER.keys() - {"provider"}))
def test_everything_counts_that_a_graph_is_told(part: str) -> None:
    assert digest_of_take(changed(RENDERED, part)) != digest_of_take(RENDERED)


def test_what_a_maker_is_not_told_does_not_count() -> None:
    assert {digest_of_take(changed(KLING, part)) for part in ("camera", "strength")} == {digest_of_take(KLING)}
    assert digest_of_take(changed(DRAWN, "prompt")) == digest_of_take(DRAWN)


def test_where_a_still_lies_does_not_count() -> None:
    elsewhere = KLING.model_copy(update={"still": STILL.model_copy(update={"key": "channels/poke1/other.png"})})
    assert digest_of_take(elsewhere) == digest_of_take(KLING)


def parts_with(clip: dict[str, Any] | None = None, **fields: Any) -> TakeParts:
    one = ClipRequest.model_validate({"number": 1, "still": STILL, "prompt": "Rain falls."} | (clip or {}))
    video = VideoRequest(channel="poke1", video_id="vid_1", clips=[one], **fields)
    return parts_of(video, video.clips[0])


def test_a_still_counts_as_the_file_it_was_prepared_from() -> None:
    """Another version of the library that encodes the same file in other bytes buys nothing again."""
    file, older, newer = "11" * 32, "ab" * 32, "ac" * 32
    takes = {
        digest_of_take(
            parts_with(
                {
                    "still": STILL.model_copy(update={"sha256": sha256}),
                    "source": StillSource(still=sha256, digest=still_digest(file, "crop")),
                },
                fit=fit,
            )
        )
        for sha256, fit in ((older, "crop"), (newer, "crop"), (newer, "refuse"))
    }
    assert len(takes) == 1
    assert takes == {digest_of_take(parts_with({"still": STILL.model_copy(update={"sha256": file})}, fit="crop"))}
    assert len({still_digest(file), still_digest(file, "crop"), still_digest(file, "pad"), file}) == 4


def test_a_still_that_needed_nothing_keeps_its_digest_whatever_else_is_said() -> None:
    plain = digest_of_take(parts_with())
    kept = StillSource(still=STILL.sha256, digest=STILL.sha256)
    assert digest_of_take(parts_with({"source": kept}, fit="crop")) == plain
    assert digest_of_take(parts_with({"source": kept, "fit": "pad"})) == plain
    # What another still was prepared from says nothing of this one.
    assert digest_of_take(parts_with({"source": StillSource(still="cd" * 32, digest="ef" * 32)})) == plain
    heic = {"still": STILL.model_copy(update={"mime": "image/webp"})}
    assert digest_of_take(parts_with(heic)) != plain, "a format that is converted: another version makes other clips"


def test_what_becomes_of_another_shape_counts_for_a_still_that_is_not_prepared_yet() -> None:
    digests = [digest_of_take(parts_with(fit=fit)) for fit in ("refuse", "crop", "pad")]
    assert len(set(digests)) == 3
    assert digest_of_take(parts_with({"fit": "crop"}, fit="pad")) == digests[1]


def test_a_chosen_take_stands_whatever_the_clip_says() -> None:
    clips = [
        ClipRequest(number=1, still=STILL, prompt="Rain falls. Slow pan left."),
        ClipRequest(number=2, still=STILL, prompt="Rain falls. Slow pan left.", take="cd" * 32),
    ]
    video = VideoRequest(channel="poke1", video_id="vid_1", clips=clips)
    (own, parts), chosen = takes_of(video)
    assert parts is not None
    assert own == digest_of_take(parts_of(video, clips[0]))
    assert parts.camera is CameraMove.PAN_LEFT
    assert chosen == ("cd" * 32, None)


BOAT = "A boat leaves"
BELL = MotionPrompt(action="A bell rings", camera="Slow orbit")


def styled(prompt: str | MotionPrompt, prefix: str) -> TakeParts:
    """The parts of a clip in a video with the words of a style."""
    video = VideoRequest(
        channel="poke1",
        video_id="vid_1",
        clips=[ClipRequest(number=1, still=STILL, prompt=prompt)],
        provider=Provider.COMFYUI,
        model="mine",
        graph=MediaRef(key="graphs/mine/1.json", sha256="12" * 32, mime="application/json"),
        loras=(Lora(name="ink.safetensors", strength=0.8),),
        prompt_prefix=prefix,
    )
    return parts_of(video, video.clips[0])


@pytest.mark.parametrize(
    ("prompt", "prefix", "said", "digest"),
    [
        (
            f"{BOAT}. Slow pan left.",
            "Film still, muted colours, fine grain.",
            "Film still, muted colours, fine grain. A boat leaves. Slow pan left.",
            "365de91eeeb648e3dcc6a2d8022990d22e2649923b1fb85c64478cf1457528a9",
        ),
        (
            BELL,
            "Film still, muted colours, fine grain.",
            "Film still, muted colours, fine grain. A bell rings. Slow orbit.",
            "2f8533b2cbb453c71374b01eae7a2fc9d6e1ecc1a9d94cd97d4004d90a9d03d0",
        ),
        (
            BELL,
            "Panoramic pixel art, ",
            "Panoramic pixel art, A bell rings. Slow orbit.",
            "45fec421da4ee584a9a6d3865f8403e491e500ce4492e5c87c8e2d0264022843",
        ),
    ],
)
def test_a_clip_with_a_style_has_the_take_it_had_when_the_words_stood_in_its_prompt(
    prompt: str | MotionPrompt, prefix: str, said: str, digest: str
) -> None:
    parts = styled(prompt, prefix)
    assert parts.prompt == said
    assert digest_of_take(parts) == digest


def test_the_words_of_a_style_move_no_camera() -> None:
    assert styled(BOAT, "Panoramic pixel art, ").camera is styled(BOAT, "").camera is CameraMove.ZOOM_IN


RENDER = RenderParts(
    graph="wan22_i2v",
    graph_sha256="cd" * 32,
    parameters=GraphParameters(
        prompt="Film still. Haunter floats.",
        negative="text",
        width=832,
        height=480,
        frames=81,
        fps=16,
        seed=42,
        steps=20,
        cfg=3.5,
        camera=CameraMove.ZOOM_IN,
        strength=0.5,
        images=(STILL,),
        loras=(Lora(name="ink.safetensors", strength=0.8), LoraPair(high="h.safetensors", low="l.safetensors")),
    ),
    frames=80,
)
RENDER_GOLDEN = "990de82bf96b771201d8c34f8e5a43cdc1158a5d2c6b8e46de359a663ccc7e6c"
OTHER_PARTS: dict[str, Any] = {"graph": "mine", "graph_sha256": "ef" * 32, "frames": 79, "variant": 2}
OTHER_PARAMETERS: dict[str, Any] = {
    "prompt": "Haunter floats.",
    "negative": "",
    "width": 1_280,
    "height": 720,
    "seconds": 5.0,
    "frames": 77,
    "fps": 24,
    "seed": 43,
    "steps": 21,
    "cfg": 3.6,
    "camera": CameraMove.ORBIT,
    "strength": 0.6,
    "images": (STILL.model_copy(update={"sha256": "ab" * 31 + "ac"}),),
    "loras": (),
    "fast": True,
}


def asked(**changes: Any) -> RenderParts:
    return RENDER.model_copy(update={"parameters": RENDER.parameters.model_copy(update=changes)})


def test_a_render_has_the_digest_it_always_had() -> None:
    """When this fails, pictures and clips are made again. Change RENDER_FORMAT only on purpose."""
    assert RENDER_FORMAT == "render-1"
    assert digest_of_render(RENDER) == RENDER_GOLDEN


def test_every_part_of_a_render_is_tried_below() -> None:
    assert RenderParts.model_fields.keys() == {"parameters", *OTHER_PARTS}
    assert GraphParameters.model_fields.keys() == OTHER_PARAMETERS.keys()


def test_everything_a_graph_is_told_counts_and_nothing_is_mistaken_for_another() -> None:
    other = [RENDER.model_copy(update={part: value}) for part, value in OTHER_PARTS.items()]
    other += [asked(**{part: value}) for part, value in OTHER_PARAMETERS.items()]
    assert len({digest_of_render(parts) for parts in [RENDER, *other]}) == len(other) + 1


def test_the_order_of_pictures_and_loras_and_the_pass_of_a_lora_count() -> None:
    second = STILL.model_copy(update={"sha256": "ef" * 32})
    loras = RENDER.parameters.loras
    variants = [
        RENDER,
        asked(images=(STILL, second)),
        asked(images=(second, STILL)),
        asked(loras=loras[::-1]),
        asked(loras=(loras[0], LoraPair(high="l.safetensors", low="h.safetensors"))),
        asked(loras=(loras[0], LoraPair(high="h.safetensors"))),
        asked(loras=(loras[0], Lora(name="h.safetensors"))),
    ]
    assert len({digest_of_render(parts) for parts in variants}) == len(variants)


def test_where_a_picture_lies_and_how_strongly_nothing_moves_do_not_count() -> None:
    elsewhere = STILL.model_copy(update={"key": "channels/poke1/other.png", "size": 7})
    assert digest_of_render(asked(images=(elsewhere,))) == digest_of_render(RENDER)
    unmoved = {digest_of_render(asked(camera=None, strength=strength)) for strength in (0.1, 0.9)}
    assert len(unmoved) == 1


def test_a_whole_number_has_one_digest_however_it_is_written() -> None:
    """1 and 1.0 are one number to Python and two texts to a digest."""
    for whole in (asked(cfg=1, strength=1, fps=16), asked(seconds=5, frames=None, loras=(Lora(name="ink"),))):
        again = RenderParts.model_validate_json(whole.model_dump_json())
        assert digest_of_render(again) == digest_of_render(whole)


def test_a_sentence_keeps_its_seed_and_each_variant_has_another() -> None:
    sentence = SentenceId(channel="poke1", project_id="story", sentence_id="s1")
    seeds = [seed_of(sentence, variant=variant) for variant in (1, 2, 3)]
    assert seeds == [seed_of(sentence), seed_of(sentence) + 1, seed_of(sentence) + 2]
    assert seed_of(sentence) != seed_of(sentence.model_copy(update={"sentence_id": "s2"}))
    assert seed_of(sentence) == seed_of(SentenceId.model_validate(sentence.model_dump() | {"channel": "poke2"}))
    assert (seed_of(sentence, seed=7), seed_of(sentence, seed=7, variant=3)) == (7, 9)
    assert seed_of(sentence, seed=BIGGEST_SEED, variant=2) == 0
    assert 0 <= seed_of(sentence) < 2**52
