"""A room imports only from the rooms below it: the contract in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = "import sys; from importlinter.cli import lint_imports_command as run; run()"


def lint_imports(cwd: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", *options],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_rooms_import_only_from_below() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["geometry", "data"])
def test_an_upward_or_sideways_import_breaks_the_contract(tmp_path: Path, module: str) -> None:
    """Guards the guard: the same contract on a copy of the rooms with one wrong import."""
    package = tmp_path / "smalldet"
    for source in (ROOT / "src/smalldet").glob("*/__init__.py"):
        room = package / source.parent.name
        room.mkdir(parents=True)
        room.joinpath("__init__.py").touch()
    for source in (ROOT / "src/smalldet").glob("*.py"):
        package.joinpath(source.name).touch()
    package.joinpath(module, "__init__.py").write_text("import smalldet.models\n")
    tmp_path.joinpath("pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"smalldet.{module} is not allowed to import smalldet.models" in done.stdout
