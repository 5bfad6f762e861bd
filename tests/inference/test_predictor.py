"""Tiles, padding, batches and the merge lose nothing, invent nothing and move nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.detections import Detections
from smalldet.imagery import open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor


def assert_same(detections: Detections, truth: Detections) -> None:
    assert len(detections) == len(truth)
    assert torch.equal(detections.boxes, truth.boxes)
    assert torch.equal(detections.labels, truth.labels)
    assert torch.allclose(detections.scores, truth.scores, atol=1e-6)


@pytest.mark.parametrize(
    ("width", "height"), [(500, 430), (131, 129), (128, 128), (77, 50), (700, 60), (33, 400)]
)
@pytest.mark.parametrize("batch_size", [None, 1, 5])
def test_tiles_give_the_truth_whatever_the_size(finder, draw_squares, width, height, batch_size):
    scene, truth = draw_squares(width, height, num=width * height // 4000)
    predictor = Predictor(finder, PredictOptions(overlap_frac=0.4, batch_size=batch_size))
    assert_same(predictor.predict(scene), truth)


def test_every_kind_of_source_gives_the_same(finder, draw_squares, tmp_path):
    scene, truth = draw_squares(300, 200, 20)
    Image.fromarray(scene).save(tmp_path / "a.png")
    predictor = Predictor(finder, PredictOptions(overlap_frac=0.4))
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), scene, Image.fromarray(scene)):
        assert_same(predictor.predict(source), truth)
    with open_scene(scene) as opened:
        assert_same(predictor.predict(opened), truth)
        assert_same(predictor.predict(opened), truth)  # and it stays open


def test_objects_larger_than_the_overlap_come_out_whole(finder):
    scene = np.zeros((300, 600, 3), np.uint8)
    scene[100:180, 90:260] = 255  # wider than a tile: no tile sees it whole
    detections = Predictor(finder, PredictOptions(overlap_frac=0.25)).predict(scene)
    assert detections.boxes.tolist() == [[90, 100, 260, 180]]


def test_close_neighbours_survive_the_merge(finder):
    scene = np.zeros((256, 256, 3), np.uint8)
    for x in range(0, 250, 5):
        for y in range(0, 250, 5):
            scene[y : y + 3, x : x + 3] = 255
    assert len(Predictor(finder, PredictOptions(overlap_frac=0.25)).predict(scene)) == 50 * 50


def test_whole_takes_one_tile(finder, draw_squares):
    scene, truth = draw_squares(500, 430, 50)
    seen = []
    predictor = Predictor(finder, PredictOptions(whole=True))
    detections = predictor.predict(
        scene, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 1)]
    assert_same(detections, truth)


def test_a_whole_pass_finds_what_no_tile_holds(finder):
    class Careful(type(finder)):
        """Reports nothing that the edge of its picture cuts."""

        def _one(self, image, conf, max_detections):
            detections = super()._one(image, conf, max_detections)
            size = torch.tensor(image.shape[:0:-1])
            low, high = detections.boxes[:, :2], detections.boxes[:, 2:]
            return detections[(low > 0).all(1) & (high < size).all(1)]

    scene = np.zeros((256, 512, 3), np.uint8)
    scene[100:180, 92:260] = 255  # wider than a tile
    scene[220:232, 400:416] = 255
    small = [[400.0, 220, 416, 232]]
    detections = Predictor(Careful(), PredictOptions(overlap_frac=0.25)).predict(scene)
    assert detections.boxes.tolist() == small
    options = PredictOptions(overlap_frac=0.25, whole_pass=True)
    detections = Predictor(Careful(), options).predict(scene)
    assert sorted(detections.boxes.tolist()) == [[92, 100, 260, 180], *small]


def test_several_scales_give_each_object_once(finder, draw_squares):
    scene, truth = draw_squares(500, 430, 50)
    large = (truth.boxes[:, 2:] - truth.boxes[:, :2]).amin(dim=1) > 6
    # the finder's class and score follow one pixel, which other scales blur
    for scales in ((0.5, 1, 2), (1, 2), (1, 0.7)):
        options = PredictOptions(overlap_frac=0.4, conf=0.1, across_classes=True, scales=scales)
        detections = Predictor(finder, options).predict(scene)
        apart = (truth.boxes[:, None] - detections.boxes).abs().amax(dim=2)
        assert bool((apart[large].amin(dim=1) <= 1).all())
        assert len(detections) == len(truth)


def test_a_crowded_tile_is_not_capped(finder):
    scene = np.zeros((256, 256, 3), np.uint8)
    scene[::2, ::2] = 255  # 16,384 single pixels, 4,096 in each of the tiles that it would make
    assert len(Predictor(finder, PredictOptions(whole=True)).predict(scene)) == 4 * 3000
    assert len(Predictor(finder).predict(scene[:128, :100])) == 3000


def test_options_filter(finder, draw_squares):
    scene, truth = draw_squares(300, 200, 30)

    def predicted(**options):
        return Predictor(finder, PredictOptions(overlap_frac=0.4, **options)).predict(scene)

    assert_same(predicted(classes=["CAR"]), truth[truth.labels == 0])
    assert_same(predicted(classes=["OtherVehicle"]), truth[truth.labels == 1])
    assert_same(predicted(conf=0.8), truth[truth.scores >= 0.8])
    assert_same(predicted(max_detections=7), truth[:7])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["ship"]}, r"\['ship'\]; it knows \['Car', 'other-vehicle'\]"),
        ({"conf": 1.5}, "conf"),
        ({"overlap_frac": 1.0}, "overlap_frac"),
        ({"tile_px": 0}, "tile_px"),
        ({"batch_size": 0}, "batch_size"),
        ({"scales": (1.0, 0.0)}, "scales"),
        ({"scales": ()}, "scales"),
    ],
)
def test_wrong_options_are_named(finder, options, message):
    with pytest.raises(ValueError, match=message):
        Predictor(finder, PredictOptions(**options))


def test_boxes_in_the_padding_are_dropped_and_clipped(draw_squares, finder):
    class Careless(type(finder)):
        """Also sees one object across the edge of the picture and one in the padding."""

        def detect(self, images, conf, max_detections):
            assert images.shape[2:] == (64, 128)
            boxes = torch.tensor([[90.0, 40, 108, 60], [110, 10, 120, 20], [5, 52, 9, 60]])
            zeros = torch.zeros(3, dtype=torch.long)
            return [Detections(boxes, torch.ones(3), zeros, self.class_names)] * len(images)

    detections = Predictor(Careless()).predict(np.full((51, 100, 3), 7, np.uint8))
    assert detections.boxes.tolist() == [[90, 40, 100, 51]]


def test_tiles_without_data_are_passed_over(finder, draw_squares, tmp_path):
    scene, truth = draw_squares(600, 100, 15)
    alpha = np.full((100, 600, 1), 255, np.uint8)
    alpha[:, 200:] = 0
    Image.fromarray(np.concatenate((scene, alpha), axis=2)).save(tmp_path / "a.png")
    batches, progress = [], []
    detect = finder.detect
    finder.detect = lambda images, *rest: batches.append(len(images)) or detect(images, *rest)
    predictor = Predictor(finder, PredictOptions(overlap_frac=0.4, batch_size=1))
    detections = predictor.predict(tmp_path / "a.png", on_progress=lambda *p: progress.append(p))
    num_tiles = progress[-1][1]
    assert progress[-1] == (num_tiles, num_tiles)
    assert sum(batches) == 3 < num_tiles
    inside = truth[truth.boxes[:, 2] <= 200]
    assert len(inside) > 0
    assert all(box in detections.boxes.tolist() for box in inside.boxes.tolist())
    assert float(detections.boxes[:, 2].max()) <= 200


def test_an_empty_scene_gives_nothing(finder):
    detections = Predictor(finder).predict(np.zeros((300, 300), np.uint8))
    assert len(detections) == 0 and detections.class_names == finder.class_names


def test_bands_must_fit_the_detector(finder):
    with pytest.raises(ValueError, match="2 bands are read and the detector takes 3"):
        Predictor(finder).predict(np.zeros((50, 50, 5), np.uint8), bands=(1, 2))
    swapped = np.zeros((50, 50, 5), np.uint8)
    swapped[10:20, 10:20, 3:] = 255
    detections = Predictor(finder).predict(swapped, bands=(4, 1, 5))
    assert detections.boxes.tolist() == [[10, 10, 20, 20]]


@pytest.mark.parametrize("merge", ["nms", "greedy", "wbf", "soft_nms"])
def test_other_merges_find_what_one_tile_sees_whole(finder, merge):
    """Two lone squares far from any seam: every merge must leave them alone."""
    scene = np.zeros((200, 200, 3), np.uint8)
    scene[20:30, 20:30] = scene[160:170, 170:180] = 255
    detections = Predictor(finder, PredictOptions(merge=merge)).predict(scene)
    assert sorted(detections.boxes.tolist()) == [[20, 20, 30, 30], [170, 160, 180, 170]]


def test_a_merge_that_does_not_exist_is_named(finder):
    with pytest.raises(ValueError, match=r"'mystery'; there are tiles, nms"):
        Predictor(finder, PredictOptions(merge="mystery"))


def test_what_tiles_show_is_told_with_those_that_left_something_out(finder, draw_squares):
    """Every detection of every tile, and the windows of tiles whose model reached its limit."""
    scene, _ = draw_squares(300, 200, 40)
    detect = finder.detect

    def limited(images, conf, most):
        found = detect(images, conf, most)
        return [replace(one[:3], num_cut=max(0, len(one) - 3)) for one in found]

    finder.detect = limited
    told = []
    predictor = Predictor(
        finder, PredictOptions(batch_size=1), lambda found, capped: told.append((found, capped))
    )
    predictor.predict(scene)
    tiles = told[0][0].tiles
    assert len(told) == len(tiles)
    for row, (found, capped) in enumerate(told):
        assert found.tile.tolist() == [row] * len(found) and len(found) <= 3
        assert capped.tolist() in ([], [tiles[row].tolist()])
        assert len(found) == 3 or not len(capped)
    assert any(len(capped) for _, capped in told)


def test_a_list_is_predicted_one_by_one(finder, draw_squares, tmp_path):
    scene, truth = draw_squares(200, 150, 8)
    picture = Image.fromarray(scene)
    picture.save(tmp_path / "a.png")
    predictor = Predictor(finder)
    for sources in (
        [scene, picture, tmp_path / "a.png", str(tmp_path / "a.png")],
        (scene, tmp_path / "a.png"),
    ):
        found = predictor.predict(sources)
        assert isinstance(found, list) and len(found) == len(sources)
        assert all(torch.equal(one.boxes, truth.boxes) for one in found)
    assert predictor.predict([]) == []
    named = found[1].picture
    assert named is not None
    assert (named.name, named.width, named.height) == (str(tmp_path / "a.png"), 200, 150)
    with pytest.raises(ValueError, match="a checkpoint notes one picture"):
        predictor.predict([scene], checkpoint=tmp_path / "c")
    with pytest.raises(FileNotFoundError, match=r"no\.png"):
        predictor.predict([tmp_path / "a.png", tmp_path / "no.png"])


def test_how_a_picture_is_read_are_keywords(finder, draw_squares):
    scene, truth = draw_squares(200, 150, 8)
    dark = np.where(scene > 0, scene.astype(np.uint16) + 1000, 0)
    found = Predictor(finder).predict(dark, stretch="1000,1255")
    assert torch.equal(found.boxes, truth.boxes)
    with pytest.raises(ValueError, match="stretch"):
        Predictor(finder).predict(scene, stretch="dark")
    with pytest.raises(ValueError, match="no such key; nearest: stretch"):
        Predictor(finder).predict(scene, **{"strech": "0,1"})  # type: ignore[call-overload]
    with (
        open_scene(scene) as opened,
        pytest.raises(ValueError, match=r"is open already; give \['bands'\] when opening"),
    ):
        Predictor(finder).predict(opened, bands=(1, 2, 3))


def test_the_distance_of_one_picture_goes_before_that_of_all(finder, draw_squares):
    scene, truth = draw_squares(200, 150, 8)
    sides = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(dim=1).sqrt()
    predictor = Predictor(finder, PredictOptions(gsd_m=1.0, min_size_m=20.0))
    assert len(predictor.predict(scene)) == int((sides >= 20).sum())
    assert len(predictor.predict(scene, gsd_m=2.0)) == int((sides >= 10).sum())
    assert predictor.options.gsd_m == 1
    with pytest.raises(ValueError, match="gsd_m"):
        predictor.predict(scene, gsd_m=-1)
