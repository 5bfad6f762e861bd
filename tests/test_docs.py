"""The documents: links lead somewhere, commands name what exists, the site loads nothing else's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECK = ROOT / "docs" / "site" / "check.py"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "src/smalldet/weights").glob("*.md"),
    ]
)
MADE_BY_THE_SITE = "docs/reference/"
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)")
BENCHMARK = re.compile(r"-m\s+(benchmarks(?:\.\w+)+)")


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as the site and code hosts make them."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def dead_links(document: Path) -> list[str]:
    dead: list[str] = []
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        there = (document.parent / target).resolve() if target else document
        if there.is_relative_to(ROOT / MADE_BY_THE_SITE):
            continue
        known = there.suffix != ".md" or not anchor or anchor in anchors(there)
        if not there.exists() or not known:
            dead.append(f"{target}#{anchor}")
    return dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert dead_links(document) == []


def test_a_link_to_nowhere_is_found(tmp_path: Path) -> None:
    """Guards the guard."""
    document = tmp_path / "a.md"
    document.write_text("# Here it is\n[ok](#here-it-is) [no](#there) [none](b.md)\n")
    assert dead_links(document) == ["#there", "b.md#"]


def test_every_benchmark_that_is_named_exists() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    modules = set(BENCHMARK.findall(text))
    assert len(modules) > 8
    missing = [
        name for name in modules if not (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()
    ]
    assert missing == []


def test_the_readme_is_short_and_its_picture_light() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    assert (ROOT / "docs" / "demo.jpg").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.html", '<script src="https://cdn.example/a.js"></script>'),
        ("index.html", '<link rel="stylesheet" href="//fonts.example/a.css">'),
        ("index.html", '<img src="http://pictures.example/a.png">'),
        ("index.html", '<p style="background: url(https://pictures.example/a.png)">'),
        ("a.css", "@import 'https://fonts.example/a.css';"),
        ("a.css", "@font-face { src: url(https://fonts.example/a.woff2) }"),
    ],
)
def test_a_site_that_loads_a_part_from_elsewhere_is_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / "index.html").write_text("<a href='https://example.org'>a link may leave</a>")
    command = [sys.executable, str(CHECK), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (tmp_path / name).write_text(content)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and name in done.stdout
