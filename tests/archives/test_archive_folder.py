"""The folder of an archive: one writer, whole files, no mixture of two runs."""

import json

import pytest
from pyarrow import parquet

from smalldet.archives.archive_folder import ArchiveFolder
from smalldet.archives.messages import Bundle, Failure


def test_a_partition_says_which_scenes_it_holds(folder, write_scene, make_worker):
    names = (write_scene("a.tif"), write_scene("b.png", num=0))
    answer = make_worker().work(Bundle(names))
    folder.write_partition(answer.partition, answer.scenes)
    folder.write_partition(answer.partition, answer.scenes)  # once more is the same file
    assert folder.scenes() == list(answer.scenes)
    written = folder.finish([Failure("c.tif", "ValueError", "c.tif: is damaged")])
    scenes, failures = (parquet.read_table(path).to_pylist() for path in written[1:])
    assert [(row["source"], row["num_objects"]) for row in scenes] == [(names[0], 6), (names[1], 0)]
    assert failures == [{"source": "c.tif", "kind": "ValueError", "why": "c.tif: is damaged"}]


def test_tables_without_rows_have_their_columns(folder):
    _, scenes, failures = folder.finish([])
    assert parquet.read_schema(failures).names == ["source", "kind", "why"]
    assert parquet.read_table(scenes).num_rows == 0


def test_a_run_with_other_options_is_refused_by_name(folder):
    folder.begin({"model": "a", "conf": "0.3"})
    folder.begin({"conf": "0.3", "model": "a"})
    with pytest.raises(ValueError, match=r"differs in conf \(0\.3, now 0\.5\); give the same"):
        folder.begin({"model": "a", "conf": "0.5"})


def test_two_runs_do_not_write_to_one_folder(folder):
    with pytest.raises(ValueError, match="another run writes to this folder"):
        ArchiveFolder(folder.path)
    folder.__exit__()
    with ArchiveFolder(folder.path):
        pass


def test_what_a_killed_run_left_half_written_is_no_result(folder, write_scene, make_worker):
    answer = make_worker().work(Bundle((write_scene("a.tif"),)))
    folder.write_partition(answer.partition, answer.scenes)
    (whole,) = folder.partitions()
    whole.with_name(".part-0.part.parquet").write_bytes(whole.read_bytes()[:100])
    assert folder.partitions() == [whole] and len(folder.scenes()) == 1


def test_a_damaged_partition_is_named(folder, write_scene, make_worker):
    answer = make_worker().work(Bundle((write_scene("a.tif"),)))
    folder.write_partition(answer.partition[:-10], answer.scenes)
    with pytest.raises(ValueError, match=r"part-\w+\.parquet: is damaged .* remove it"):
        folder.scenes()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "a" / "detections").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"without a run\.json"):
        ArchiveFolder(tmp_path / "a")
    (tmp_path / "b").write_text("a file")
    with pytest.raises(ValueError, match="is a file"):
        ArchiveFolder(tmp_path / "b")
    (tmp_path / "run.json").write_text(json.dumps([1]))
    with (
        ArchiveFolder(tmp_path) as folder,
        pytest.raises(ValueError, match=r"run\.json: is damaged"),
    ):
        folder.begin({"model": "a"})
