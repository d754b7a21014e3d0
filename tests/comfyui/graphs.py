"""Graphs of core nodes that every server since 0.3.64 has. None needs a model or a GPU."""

import random
from typing import Any

Graph = dict[str, Any]

OUTPUT = "9"
"""The node that saves."""
WIDTH, HEIGHT, FRAMES = 64, 48, 8


def node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title or class_type}}


def _paper(width: int = WIDTH, height: int = HEIGHT, frames: int = 1) -> dict[str, Any]:
    """A colour nobody has asked for before: a server answers a graph it knows with the file it has made."""
    return node("EmptyImage", width=width, height=height, batch_size=frames, color=random.randrange(1 << 24))


def picture(prefix: str, **changes: Any) -> Graph:
    """One plain picture."""
    return {
        "1": _paper(),
        "2": node("ImageScale", "resize", image=["1", 0], **{**_SCALE, **changes}),
        OUTPUT: node("SaveImage", "save", images=["2", 0], filename_prefix=prefix),
    }


_SCALE = {"upscale_method": "bilinear", "width": WIDTH, "height": HEIGHT, "crop": "disabled"}


def clip(prefix: str) -> Graph:
    """A clip of half a second, mp4 with h264."""
    return {
        "1": _paper(frames=FRAMES),
        "2": node("CreateVideo", images=["1", 0], fps=16.0),
        OUTPUT: node("SaveVideo", "save", video=["2", 0], filename_prefix=prefix, format="mp4", codec="h264"),
    }


def copy_of(name: str, prefix: str) -> Graph:
    """An uploaded picture, saved again."""
    return {
        "1": node("LoadImage", "still", image=name),
        OUTPUT: node("SaveImage", "save", images=["1", 0], filename_prefix=prefix),
    }


def slow(prefix: str, nodes: int = 80) -> Graph:
    """Some seconds of work in many small nodes: a server can be interrupted between any two of them."""
    graph = {"s0": _paper(1_280, 720)}
    for number in range(1, nodes + 1):
        size = {"width": 1_280 - number % 2 * 8, "height": 720, "upscale_method": "lanczos", "crop": "disabled"}
        graph[f"s{number}"] = node("ImageScale", f"step {number}", image=[f"s{number - 1}", 0], **size)
    graph[OUTPUT] = node("SaveImage", "save", images=[f"s{nodes}", 0], filename_prefix=prefix)
    return graph


def without_its_model(prefix: str) -> Graph:
    """A picture through a VAE nobody has."""
    return {
        "1": node("VAELoader", vae_name="longtake_nobody_has_this.safetensors"),
        "2": _paper(),
        "3": node("VAEEncode", pixels=["2", 0], vae=["1", 0]),
        "4": node("VAEDecode", samples=["3", 0], vae=["1", 0]),
        OUTPUT: node("SaveImage", images=["4", 0], filename_prefix=prefix),
    }


def half_good(prefix: str) -> Graph:
    """Two outputs, one of which is invalid: servers take the other and say 200."""
    return {**slow(prefix), "10": node("SaveImage", "second save", images=["s0", 0])}
