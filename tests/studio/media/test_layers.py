"""A picture taken apart by distance."""

import numpy as np
from PIL import Image

from studio.media.layers import one_layer, split
from studio.media.stills import Still
from tests.studio.media.conftest import blobs


def test_layers_come_from_far_to_near_and_only_as_many_as_there_are(drawn: Still) -> None:
    layers = split(drawn.image, drawn.depth)
    assert len(layers) == 3
    assert [layer.depth for layer in layers] == sorted(layer.depth for layer in layers)
    assert [layer.masks is None for layer in layers] == [True, False, False]
    assert len(split(blobs(), Image.new("L", (640, 360), 100))) == 1
    assert len(one_layer(blobs())) == 1


def test_what_is_behind_is_filled_from_around_not_with_what_is_in_front() -> None:
    picture, depth = Image.new("RGB", (160, 90), (40, 90, 200)), Image.new("L", (160, 90), 0)
    picture.paste((255, 40, 40), (60, 30, 100, 90))  # something red and near before something blue and far
    depth.paste(255, (60, 30, 100, 90))
    far = np.asarray(split(picture, depth)[0].planes[2], int)
    red_difference_of_blue = int(far[5, 5])
    assert np.abs(far - red_difference_of_blue).max() <= 3


def test_layers_laid_on_each_other_are_the_picture(drawn: Still) -> None:
    layers = split(drawn.image, drawn.depth)
    whole = layers[0].planes[0].copy()
    for layer in layers[1:]:
        assert layer.masks is not None
        whole.paste(layer.planes[0], (0, 0), layer.masks[0])
    expected = np.asarray(one_layer(drawn.image)[0].planes[0], int)
    assert np.abs(np.asarray(whole, int) - expected).mean() < 1


def test_rows_without_anything_of_a_layer_need_not_be_drawn(drawn: Still) -> None:
    far, *_, near = split(drawn.image, drawn.depth)
    assert (far.top, near.bottom) == (0, 360)
    assert near.top > 100
    assert far.bottom < 360
    assert all(side % 2 == 0 for layer in (far, near) for side in (layer.top, layer.bottom))
