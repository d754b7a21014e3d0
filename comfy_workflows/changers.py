"""Nodes that make another size or another number of frames than the nodes before them, as a table.

Each entry says when the node does so, by its values: a factor of 1, a multiplier of 1 or a switch that is off changes
nothing. A value that comes from another node counts as a change: it is not known.
"""

from collections.abc import Callable, Mapping
from typing import Any

from comfy_workflows.rewire import is_link

Inputs = Mapping[str, Any]
Changes = Callable[[Inputs], bool]


def _always(inputs: Inputs) -> bool:
    return True


def _unless(neutral: object, *names: str, missing: bool = True) -> Changes:
    """It changes something, unless the first of these inputs that is there has this value."""

    def changes(inputs: Inputs) -> bool:
        given = next((inputs[name] for name in names if name in inputs), None)
        return missing if given is None else given != neutral

    return changes


def _keeps_proportion(inputs: Inputs) -> bool:
    """Resizers of KJNodes and essentials: only these ways give exactly the size that is asked for."""
    how = str(inputs.get("keep_proportion", inputs.get("method", "stretch"))).lower()
    return how not in ("false", "stretch", "crop", "pad", "pad_edge", "pad_edge_pixel", "pillarbox_blur", "fill / crop")


def _by_type(inputs: Inputs) -> bool:
    """Core's ResizeImageMaskNode: only `scale dimensions` says both sides."""
    return inputs.get("resize_type") != "scale dimensions"


SIZE_CHANGERS: Mapping[str, Changes] = {
    "ImageUpscaleWithModel": _always,
    "ImageScaleBy": _unless(1, "scale_by"),
    "ImageScaleToTotalPixels": _always,
    "ImageScaleToMaxDimension": _always,
    "LatentUpscaleBy": _unless(1, "scale_by"),
    "LTXVLatentUpsampler": _always,
    "HunyuanVideo15LatentUpscaleWithModel": _always,
    "UltimateSDUpscale": _unless(1, "upscale_by"),
    "UltimateSDUpscaleNoUpscale": _always,
    "UltimateSDUpscaleCustomSample": _unless(1, "upscale_by"),
    "SeedVR2VideoUpscaler": _always,
    "SeedVR2": _always,
    "FlashVSRNode": _always,
    "FlashVSR": _always,
    "RTXVideoSuperResolution": _always,
    "CR Upscale Image": _always,
    "Upscale Image (rgthree)": _always,
    "Image Upscale with Model": _always,
    "TopazVideoEnhance": _always,
    "ImageResizeKJ": _unless(False, "keep_proportion"),
    "ImageResizeKJv2": _keeps_proportion,
    "ImageResize+": _keeps_proportion,
    "ResizeImageMaskNode": _by_type,
    "ImageScaleDownBy": _unless(1, "scale_by"),
    "easy imageScaleDownBy": _unless(1, "scale_by"),
    "easy imageScaleDownToSize": _always,
    "easy imageScaleUpBy": _unless(1, "scale_by"),
    "LayerUtility: ImageScaleByAspectRatio": _always,
    "LayerUtility: ImageScaleByAspectRatio V2": _always,
    "Image Resize": _always,
    "ResizeAspectratio": _always,
    "ConstrainResolution": _always,
    "ConstrainImage|pysssss": _always,
    "ConstrainImageforVideo|pysssss": _always,
    "ImagePadForOutpaint": _always,
    "ImagePadKJ": _always,
    "ImageStitch": _always,
    "ImageConcanate": _always,
    "ImageConcatMulti": _always,
    "ImageRotate": lambda inputs: str(inputs.get("rotation", "90")) not in ("none", "180 degrees"),
}
"""Class → does it make another size?"""

FIXED_SIZES: Mapping[str, tuple[str, str]] = {
    "ImageScale": ("width", "height"),
    "ImageCrop": ("width", "height"),
    "LatentUpscale": ("width", "height"),
    "ImageResizeKJ": ("width", "height"),
    "ImageResizeKJv2": ("width", "height"),
    "ImageResize+": ("width", "height"),
    "ResizeImageMaskNode": ("resize_type.width", "resize_type.height"),
}
"""Class → where it says the size of what it makes, whatever came before. 0: as it came."""

DIVIDED: Mapping[str, tuple[str, ...]] = {
    "ImageResizeKJ": ("divisible_by",),
    "ImageResizeKJv2": ("divisible_by",),
    "ImageResize+": ("multiple_of",),
}
"""Class → the input whose multiples its sides are: others are rounded down."""


def divisor_of(content: Mapping[str, Any]) -> int:
    """The number whose multiples the sides are that a node makes; 1: any."""
    given = [content["inputs"].get(key) for key in DIVIDED.get(content["class_type"], ())]
    return max([one for one in given if isinstance(one, int) and not isinstance(one, bool) and one > 0], default=1)


_INTERPOLATED = _unless(1, "multiplier", "interpolation_factor", "factor", "multi")
FRAME_CHANGERS: Mapping[str, Changes] = {
    "FrameInterpolate": _INTERPOLATED,
    "RIFE VFI": _INTERPOLATED,
    "FILM VFI": _INTERPOLATED,
    "GMFSS Fortuna VFI": _INTERPOLATED,
    "STMFNet VFI": _INTERPOLATED,
    "IFRNet VFI": _INTERPOLATED,
    "IFUnet VFI": _INTERPOLATED,
    "M2M VFI": _INTERPOLATED,
    "AMT VFI": _INTERPOLATED,
    "CAIN VFI": _INTERPOLATED,
    "FLAVR VFI": _INTERPOLATED,
    "Sepconv VFI": _INTERPOLATED,
    "GIMMVFI_interpolate": _INTERPOLATED,
    "RIFEInterpolation": _INTERPOLATED,
    "AutoRifeTensorrt": _INTERPOLATED,
    "RifeTensorrt": _INTERPOLATED,
    "VHS_VideoCombine": lambda inputs: (
        inputs.get("pingpong", False) is not False
        or inputs.get("loop_count", 0) != 0
        or inputs.get("trim_to_audio", False) is not False
    ),
    "VHS_SelectEveryNthImage": _unless(1, "select_every_nth"),
    "VHS_DuplicateImages": _unless(1, "multiply_by"),
    "VHS_SplitImages": _always,
    "VHS_MergeImages": _always,
    "RepeatImageBatch": _unless(1, "amount"),
    "RepeatLatentBatch": _unless(1, "amount"),
    "ImageFromBatch": _always,
    "ImageFromBatch+": _always,
    "GetImageRangeFromBatch": _always,
    "GetImagesFromBatchIndexed": _always,
    "ImageBatch": _always,
    "ImageBatchMulti": _always,
    "ImageBatchJoinWithTransition": _always,
    "CrossFadeImages": _always,
    "BatchImagesNode": _always,
    "InsertImagesToBatchIndexed": _always,
    "Video Slice": _always,
    "TrimVideoLatent": _unless(0, "trim_amount"),
    "LatentCutToBatch": _always,
    "LatentConcat": lambda inputs: str(inputs.get("dim", "t")).strip("-") == "t",
    "LatentCut": lambda inputs: inputs.get("dim", "t") == "t",
    "PingPong": _always,
    "ImagePingPong": _always,
    "Loop Images": _always,
}
"""Class → does it make another number of frames?"""

DEEP_COLOURS: Mapping[str, Callable[[Inputs], str]] = {
    "CreateVideo": lambda inputs: "bit_depth" if inputs.get("bit_depth", 8) != 8 else "",
    "VHS_VideoCombine": lambda inputs: "pix_fmt" if _deep(inputs.get("pix_fmt")) else "",
    "SaveVideo": lambda inputs: next(
        (key for key, value in inputs.items() if key.endswith("color_space") and str(value).startswith("HDR")), ""
    ),
}
"""Class → the input that makes it save more than 8 bits per colour; empty: none does."""


def _deep(pix_fmt: object) -> bool:
    return is_link(pix_fmt) or (isinstance(pix_fmt, str) and ("10" in pix_fmt or "12" in pix_fmt or "16" in pix_fmt))
