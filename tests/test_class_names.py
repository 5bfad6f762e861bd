"""Class names as people give them: a list, a text, a file."""

from __future__ import annotations

from pathlib import Path

from smalldet.class_names import parse_class_names


def test_a_long_list_is_no_file_name() -> None:
    """Eighty classes in a row are longer than any file's name may be."""
    names = tuple(f"class number {number}" for number in range(80))
    assert parse_class_names(",".join(names)) == names


def test_a_file_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a,b.txt").write_text("car\nbus\n")
    assert parse_class_names(str(tmp_path / "a,b.txt")) == ("car", "bus")
