"""Pages of the site that are made when it is built, and links between all of its pages.

A hook of MkDocs (`mkdocs.yml`). Made are the reference of recipes from the schemas, the command
line's from its parser, the recipes that come with it, and the documents that lie outside `docs/`:
README, changelog, contributing and the models' cards. Their links are those of the repository, so
that they work there too; here each becomes a link to the page of that file, or plain text where
the file has none.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from smalldet.cli import app
from smalldet.config.recipe_files import recipe_names, recipe_text
from smalldet.config.reference import keys_of, table
from smalldet.models.families import FAMILIES
from smalldet.reproducing.benchmark import PRETRAIN, benchmark_names
from smalldet.training.recipe import TrainRecipe

ROOT = Path(__file__).resolve().parents[2]
CARDS = "src/smalldet/weights"

# Page of the site: file of the repository.
COPIED = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "cards/speck-n-aerial.md": f"{CARDS}/speck-n-aerial.md",
    "cards/speck-n-thermal.md": f"{CARDS}/speck-n-thermal.md",
}
# File or folder of the repository: page of the site, where they are not one another's copy.
PAGE_OF = {
    **{source: page for page, source in COPIED.items()},
    CARDS: "cards/speck-n-aerial.md",
    "src/smalldet/recipes": "reference/configs.md",
    "docs": "index.md",
    "docs/studies": "studies/index.md",
}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    made = {page: (ROOT / source).read_text(encoding="utf-8") for page, source in COPIED.items()}
    made["reference/recipe.md"] = recipe_reference()
    made["reference/commands.md"] = command_reference()
    made["reference/configs.md"] = recipes_to_start_from()
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    name = page.file.src_uri
    folder = posixpath.dirname(COPIED.get(name, f"docs/{name}"))
    markdown = markdown.replace("](docs/demo.jpg)", "](demo.jpg)")

    def linked(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        there = posixpath.normpath(posixpath.join(folder, target))
        goal = page_of(there)
        if goal is None or files.get_file_from_path(goal) is None:
            return text
        return f"[{text}]({posixpath.relpath(goal, posixpath.dirname(name) or '.')}{anchor})"

    return LINK.sub(linked, markdown)


def page_of(path: str) -> str | None:
    """The page of a file or folder of the repository, if it has one."""
    if path in PAGE_OF:
        return PAGE_OF[path]
    if path.startswith("src/smalldet/recipes/"):
        return PAGE_OF["src/smalldet/recipes"]
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def recipe_reference() -> str:
    """Every key of a recipe, as the schemas say it."""
    keys = [key for key in keys_of(TrainRecipe) if not key.path.startswith("model.")]
    parts = [
        "# Recipe reference",
        "Every key of a recipe, made from the schemas that check it. A key that is not here is "
        "refused. On the command line each can be given as `section.key=value`, such as "
        "`training.epochs=30`. `[]` stands for each entry of a list. A share is a number from 0 "
        "to 1. `null` means that nothing is set.",
    ]
    for section in ("data", "training"):
        of_section = [key for key in keys if key.path.partition(".")[0] == section]
        parts += [f"## {section}", table(of_section)]
    parts += [
        "## model",
        "`model.family` names the kind of detector; the default is `speck`. Its other keys depend "
        "on it.",
    ]
    for name, schema in sorted(FAMILIES.items(), key=lambda entry: entry[0] != "speck"):
        parts += [f"### family: {name}", table(keys_of(schema, "model."))]
    return "\n\n".join(parts)


def command_reference() -> str:
    """Every verb of the command line, as its parser says it."""
    text = app.generate_docs(output_format="markdown", heading_level=1)
    text = re.sub(r"## Table of Contents\n+(?:- .*\n)+", "", text)
    return text.replace("# smalldet\n", "# Command line\n", 1)


def recipes_to_start_from() -> str:
    """The recipes that come with smalldet."""
    parts = ["# Recipes to start from", "`smalldet recipe NAME > mine.yaml` writes one of these."]
    for name in recipe_names():
        parts += [f"## {name}", f"```yaml\n{recipe_text(name).strip()}\n```"]
    parts.append("## Benchmarks\n\n`smalldet reproduce NAME` trains and measures by one of these.")
    for name in benchmark_names():
        text = (PRETRAIN / f"{name}.yaml").read_text(encoding="utf-8")
        parts += [f"### {name}", f"```yaml\n{text.strip()}\n```"]
    return "\n\n".join(parts)
