"""What a clip is made from, and the digest that names its take."""

import json

from comfy_workflows.identity import digest_of_shipped
from studio.contracts.clip import ClipRequest, Fit
from studio.contracts.project import SentenceId
from studio.contracts.render import BIGGEST_SEED, Lora, LoraPair
from studio.contracts.take import RenderParts, TakeParts
from studio.contracts.video import Provider, VideoRequest
from studio.digest import Part, digest_of
from studio.media.animatic import RENDERER_VERSION
from studio.media.still import STILL_VERSION
from studio.prompts import motion
from studio.prompts.camera import move_of
from studio.prompts.style import with_style

TAKE_FORMAT = "take-2"
"""Changes when the meaning of a take's parts changes; every older take is then made anew."""

_PLAIN = ("image/png", "image/jpeg")
"""Formats in which a still may need nothing. Services say the format; what is in the file decides about the picture."""

RENDER_FORMAT = "render-1"
"""The same for pictures and clips by ComfyUI graphs."""


def parts_of(video: VideoRequest, clip: ClipRequest) -> TakeParts:
    """Everything this clip is made from."""
    source = clip.source.digest if clip.source and clip.source.still == clip.still.sha256 else None
    return TakeParts(
        provider=video.provider,
        model=_maker(video),
        prompt=with_style(motion.render(clip.prompt), video.prompt_prefix),
        still=clip.still,
        source=source,
        fit="refuse" if source else clip.fit or video.fit,
        seconds=clip.seconds,
        width=video.width,
        height=video.height,
        camera=clip.camera or move_of(clip.prompt),
        strength=clip.strength,
        options=_options(video),
        variant=clip.variant,
    )


def _maker(video: VideoRequest) -> str:
    if video.provider is Provider.ANIMATIC:
        return RENDERER_VERSION
    if video.provider is Provider.COMFYUI:
        digest = video.graph.sha256 if video.graph else digest_of_shipped(video.model)
        return graph_version(video.model, digest)
    return video.model


def graph_version(name: str, digest: str) -> str:
    """A graph as the maker of a take: another version of it makes other takes."""
    return f"{name}@{digest[:16]}"


def _options(video: VideoRequest) -> str:
    if video.provider is not Provider.COMFYUI or not (video.loras or video.fast):
        return ""
    loras = [lora.model_dump(mode="json", exclude_none=True) for lora in video.loras]
    return json.dumps({"fast": video.fast, "loras": loras}, sort_keys=True, separators=(",", ":"))


def still_digest(file: str, fit: Fit = "refuse") -> str:
    """What names a still that was prepared from a file of this SHA-256. One that needed nothing is named by itself."""
    return digest_of(STILL_VERSION, {"file": file, "fit": fit})


def still_of(parts: TakeParts) -> str:
    """What the still counts as: the file it was prepared from, or itself."""
    if parts.source is not None:
        return parts.source
    as_it_is = parts.fit == "refuse" and parts.still.mime in _PLAIN
    return parts.still.sha256 if as_it_is else still_digest(parts.still.sha256, parts.fit)


def digest_of_take(parts: TakeParts) -> str:
    """The name of the take these parts give: SHA-256 over what its maker is told, and the still by its file's bytes.

    What a maker is not told does not count: the local renderer reads no prompt, Kling no camera move.
    """
    told: dict[str, Part] = {
        "provider": parts.provider,
        "model": parts.model,
        "still": still_of(parts),
        "seconds": parts.seconds,
        "width": parts.width,
        "height": parts.height,
    }
    if parts.provider is not Provider.KLING:
        told |= {"camera": parts.camera, "strength": parts.strength}
    if parts.provider is not Provider.ANIMATIC:
        told |= {"prompt": parts.prompt}
    if parts.options:
        told |= {"options": parts.options}
    if parts.variant > 1:
        told |= {"variant": parts.variant}
    return digest_of(TAKE_FORMAT, told)


def takes_of(video: VideoRequest) -> list[tuple[str, TakeParts | None]]:
    """The take of each clip, in the video's order, and what it is made from.

    A take that somebody chose stands as it is, whatever the clip says: then there are no parts.
    """
    return [_take_of(video, clip) for clip in video.clips]


def _take_of(video: VideoRequest, clip: ClipRequest) -> tuple[str, TakeParts | None]:
    if clip.take is not None:
        return clip.take, None
    parts = parts_of(video, clip)
    return digest_of_take(parts), parts


def digest_of_render(parts: RenderParts) -> str:
    """The name of what a ComfyUI graph makes of these parts: the graph, what it is told, pictures by their bytes.

    What is not said does not count: the graph has a default for it, and its digest knows that. Where a picture lies
    does not count, nor does a strength where nothing is said of the camera.
    """
    asked = parts.parameters
    told: dict[str, Part] = {
        "graph": parts.graph,
        "graph_sha256": parts.graph_sha256,
        "prompt": asked.prompt,
        "negative": asked.negative,
        "width": asked.width,
        "height": asked.height,
        "seconds": _decimal(asked.seconds),
        "frames": asked.frames,
        "fps": _decimal(asked.fps),
        "seed": asked.seed,
        "steps": asked.steps,
        "cfg": _decimal(asked.cfg),
        "camera": asked.camera,
        "strength": None if asked.camera is None else _decimal(asked.strength),
        "fast": asked.fast or None,
        "kept_frames": parts.frames,
        "variant": parts.variant if parts.variant > 1 else None,
    }
    told |= {f"image_{place}": image.sha256 for place, image in enumerate(asked.images, start=1)}
    for place, lora in enumerate(asked.loras, start=1):
        told |= _lora_parts(f"lora_{place}", lora)
    return digest_of(RENDER_FORMAT, {name: part for name, part in told.items() if part is not None})


def seed_of(sentence: SentenceId, *, seed: int | None = None, variant: int = 1) -> int:
    """The seed of a sentence's picture or clip: always the same one, and another one for each further variant.

    A seed that somebody chose is that of the first variant.
    """
    if seed is None:
        name = digest_of("seed", {"project": sentence.project_id, "sentence": sentence.sentence_id})
        seed = int(name[:13], 16)  # 52 bits: whole in every language's numbers
    return (seed + variant - 1) % (BIGGEST_SEED + 1)


def _decimal(number: float | None) -> float | None:
    """Always a float: 5 and 5.0 are the same length, and two different texts."""
    return None if number is None else float(number)


def _lora_parts(place: str, lora: Lora | LoraPair) -> dict[str, Part]:
    if isinstance(lora, Lora):
        return {place: lora.name, f"{place}_strength": _decimal(lora.strength)}
    return {f"{place}_high": lora.high, f"{place}_low": lora.low, f"{place}_strength": _decimal(lora.strength)}
