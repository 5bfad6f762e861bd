"""Many sources go into files; a broken one is told and costs no other."""

import json

import pytest
import rasterio
from affine import Affine
from PIL import Image

from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.inference.predict import Listener, predict_sources
from tests.imagery.test_mosaics import cut, noise, save

WIDE_OVERLAP = PredictOptions(overlap_frac=0.4)


@pytest.fixture
def pictures(tmp_path, draw_squares):
    """A folder with a photo, a map and a broken file between them; boxes of photo and map."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    scene, photo = draw_squares(300, 200, 20)
    Image.fromarray(scene).save(folder / "a.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:400])
    scene, placed = draw_squares(260, 310, 15, seed=1)
    options = {"driver": "GTiff", "count": 3, "height": 310, "width": 260, "dtype": "uint8"}
    transform = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
    with rasterio.open(
        folder / "c.tif", "w", crs="EPSG:32633", transform=transform, **options
    ) as file:
        file.write(scene.transpose(2, 0, 1))
    return folder, photo, placed


def test_a_broken_source_costs_no_other(finder, pictures, tmp_path):
    folder, photo, placed = pictures
    failed, progress = [], []
    outcome = predict_sources(
        finder,
        [folder],
        tmp_path / "out",
        WIDE_OVERLAP,
        listener=Listener(
            on_failure=lambda *what: failed.append(what),
            on_progress=lambda *what: progress.append(what),
        ),
    )
    assert outcome.exit_code == 1
    assert list(outcome.failures) == [str(folder / "b.png")]
    assert failed == list(outcome.failures.items()) and "cut short" in failed[0][1]
    assert [len(r.detections) for r in outcome.results] == [len(photo), len(placed)]
    assert progress[-1][0] == str(folder / "c.tif") and progress[-1][1] == progress[-1][2]
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == ["a.geojson", "a.jpg", "c.geojson", "c.jpg", "detections.json"]
    assert sorted(path.name for path in outcome.written) == written
    coco = json.loads((tmp_path / "out/detections.json").read_text())
    boxes = {tuple(a["bbox"]) for a in coco["annotations"] if a["image_id"] == 2}
    truth = placed.boxes.clone()
    truth[:, 2:] -= truth[:, :2]
    assert boxes == {tuple(box) for box in truth.tolist()}


def test_one_file_and_options_reach_the_predictor(finder, pictures, tmp_path):
    folder, _, placed = pictures
    done = []
    outcome = predict_sources(
        finder,
        [folder / "c.tif"],
        tmp_path / "a.gpkg",
        PredictOptions(conf=0.8, overlap_frac=0.4),
        maps=MapOptions(crs="EPSG:3857"),
        listener=Listener(on_done=done.append),
    )
    assert outcome.exit_code == 0 and outcome.written == [tmp_path / "a.gpkg"]
    assert len(done[0].detections) == int((placed.scores >= 0.8).sum())


def test_nothing_is_written_where_nothing_was_read(finder, pictures, tmp_path):
    folder, *_ = pictures
    outcome = predict_sources(finder, [folder / "b.png"], tmp_path / "a.json")
    assert outcome.exit_code == 1 and not outcome.results and not outcome.written
    assert not (tmp_path / "a.json").exists()


def test_mistakes_stop_the_run_before_it_begins(finder, pictures, tmp_path):
    folder, *_ = pictures
    with pytest.raises(ValueError, match="unknown extension"):
        predict_sources(finder, [folder], tmp_path / "a.xyz")
    with pytest.raises(FileNotFoundError, match="gone"):
        predict_sources(finder, [folder, folder / "gone.tif"], tmp_path / "out")
    with pytest.raises(ValueError, match="one picture"):
        predict_sources(finder, [folder], tmp_path / "a.png")
    assert not (tmp_path / "out").exists()


def test_results_without_files(finder, pictures):
    folder, photo, _ = pictures
    outcome = predict_sources(finder, [folder / "a.png"], options=WIDE_OVERLAP)
    assert not outcome.written and len(outcome.results[0].detections) == len(photo)


def test_a_mosaic_is_one_result_in_every_file(finder, draw_squares, tmp_path):
    scene, truth = draw_squares(300, 260, 25, seed=2)
    tiles = tmp_path / "tiles"
    cut(tiles, scene.transpose(2, 0, 1), (90, 70))
    told: list[tuple[str, str]] = []
    listener = Listener(on_remark=lambda *what: told.append(what))
    outcome = predict_sources(finder, [tiles], tmp_path / "out", WIDE_OVERLAP, listener=listener)
    assert told == [(str(tiles), "16 files are one scene of 300x260 px")]
    (result,) = outcome.results
    assert result.name == str(tiles) and sorted(result.detections.boxes.tolist()) == sorted(
        truth.boxes.tolist()
    )
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == ["detections.json", "tiles.geojson", "tiles.jpg"]
    with Image.open(tmp_path / "out/tiles.jpg") as picture:
        assert picture.size == (300, 260)
    (image,) = json.loads((tmp_path / "out/detections.json").read_text())["images"]
    assert (image["file_name"], image["width"], image["height"]) == ("tiles", 300, 260)


def test_what_is_true_of_many_sources_is_told_once(finder, tmp_path):
    paths = [save(tmp_path / f"{i}.tif", noise(40, 40, num=5), None, crs=None) for i in range(3)]
    told: list[tuple[str, str]] = []
    listener = Listener(on_remark=lambda *what: told.append(what))
    predict_sources(finder, paths, tmp_path / "out.csv", listener=listener)
    assert len(told) == 1 and told[0][0] == str(paths[0])
