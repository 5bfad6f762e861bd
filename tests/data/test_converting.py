"""Labels go from format to format with all that the other can say, and the rest is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.data.converting import convert_labels, losses
from smalldet.data.formats import coco
from smalldet.data.formats.coco_masks import grids
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.mask_outlines import simple_rings
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.formats.table import WRITERS
from smalldet.data.index import MASK_PX, Index


@pytest.mark.parametrize("to", [name for name in WRITERS if name != "geojson"])
def test_every_split_is_converted(to: str, tmp_path: Path, draw_set: Callable[..., Path]):
    draw_set("train", num_pictures=3)
    folder = draw_set("val", num_pictures=2, seed=1).parent
    written = convert_labels(LabelSource(annotations=folder), to, tmp_path / "out")
    assert written and all(path.is_file() for path in written)
    for split in ("train", "val"):
        there, again = (read_labels(path, split=split) for path in (folder, tmp_path / "out"))
        assert again.counts() == there.counts() and len(again) == len(there)
        sides = [np.sort(index.object_sides(), axis=0) for index in (there, again)]
        np.testing.assert_allclose(sides[0], sides[1], atol=1 if to == "retinanet-csv" else 2e-3)


def test_what_gets_lost_is_told_before(tmp_path: Path, draw_set: Callable[..., Path]):
    index = read_labels(draw_set(num_pictures=1))
    record = index.records[0]
    flags = np.arange(len(record.boxes)) < 3
    marked = Index(index.class_names, (replace(record, ignore=flags, gsd_m=0.5),))
    assert losses(marked, WRITERS["yolo"]) == ["3 regions to ignore", "1 pictures' metres a pixel"]
    assert losses(marked, WRITERS["coco"]) == []
    over = np.array([[2, 50, 20, 6, 0.3], [40, 40, 20, 6, 0.3]] * 2, dtype=np.float32)
    turned = Index(index.class_names, (replace(record, rboxes=over),))
    assert losses(turned, WRITERS["yolo"]) == [
        "2 oriented boxes whose corners are cut at the border"
    ]
    assert losses(turned, WRITERS["voc"]) == ["4 oriented boxes (upright ones are written)"]
    for name in ("coco", "dota", "csv", "rolabelimg", "geojson"):
        assert losses(turned, WRITERS[name]) == []
    coco.write_json(marked, tmp_path / "marked.json")
    told: list[tuple[str, int]] = []

    def tell(split: str, lost: list[str]) -> None:
        told.append((split, len(lost)))
        assert not (tmp_path / "out").exists()

    source = LabelSource(annotations=tmp_path / "marked.json")
    convert_labels(source, "yolo", tmp_path / "out", on_losses=tell)
    assert told == [("train", 2)]
    with pytest.raises(ValueError, match="cannot write 'yollo'; give one of yolo"):
        convert_labels(source, "yollo", tmp_path / "out")


@given(st.integers(2, MASK_PX), st.randoms(use_true_random=False))
def test_outlines_survive_coco_to_the_cell(coarse: int, random) -> None:
    """Shapes with holes and in pieces, as polygons rounded to a thousandth of a pixel."""
    small = np.array([[random.random() > 0.4 for _ in range(coarse)] for _ in range(coarse)])
    places = np.arange(MASK_PX) * coarse // MASK_PX
    grid = small[places][:, places]
    box = np.array([[10.125, 20.5, 10.125 + random.uniform(2, 90), 20.5 + random.uniform(2, 90)]])
    box = box.round(3).astype(np.float32)
    rings = simple_rings(np.packbits(grid), box[0].astype(np.float64))
    polygons = [ring.round(3).ravel().tolist() for ring in rings]
    packed = grids([{"id": 1, "segmentation": polygons}], box)
    assert (np.unpackbits(packed[0]).reshape(MASK_PX, MASK_PX) == grid).all()
