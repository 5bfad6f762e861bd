"""Options of tiles: out of range they are refused by name, whoever makes them."""

import pytest

from smalldet.data.options import Augmentation, Sampling


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Sampling, "empty_frac", 1.5),
        (Sampling, "min_visible_frac", -0.1),
        (Sampling, "repeat_threshold", 2),
        (Sampling, "scale_jitter", (2.0, 0.5)),
        (Sampling, "scale_jitter", (0.0, 1.0)),
        (Sampling, "tiles_per_epoch", 0),
        (Augmentation, "mosaic_prob", 1.1),
        (Augmentation, "mixup_prob", -1),
        (Augmentation, "copy_paste_prob", 7),
        (Augmentation, "mixup", 0.5),
    ],
)
def test_values_out_of_range_and_unknown_names_are_refused(kind: type, name: str, value: object):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})
