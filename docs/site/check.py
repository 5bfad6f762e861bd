"""Refuse a built site that loads a part of itself from elsewhere.

    python docs/site/check.py site

Looks for scripts, styles, fonts, pictures and frames with an address outside the site. Links that a
reader follows may lead anywhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LOADED = {  # tag: attributes that are loaded without a click
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "link": ("href",),
}
NOT_LOADED = {"canonical", "prev", "next", "author", "license", "edit"}  # kinds of <link>
OUTSIDE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"(?:url\(\s*|@import\s+)[\"']?(?:https?:)?//[^\"')\s]+", re.IGNORECASE)


class Parts(HTMLParser):
    """Collects the addresses of what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and set((values.get("rel") or "").split()) & NOT_LOADED:
            return
        for name in LOADED.get(tag, ()):
            if (address := values.get(name)) and OUTSIDE.match(address):
                self.outside.append(f"<{tag} {name}={address}>")
        self.outside += IN_STYLE.findall(values.get("style") or "")


def outside_parts(site: Path) -> Iterator[str]:
    """`page: what it loads from elsewhere`, of all pages and styles of a built site."""
    for path in sorted(site.rglob("*")):
        found: list[str] = []
        if path.suffix == ".html":
            text = path.read_text(encoding="utf-8")
            page = Parts()
            page.feed(text)
            styles = re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL)
            found = page.outside + [part for style in styles for part in IN_STYLE.findall(style)]
        elif path.suffix == ".css":
            found = IN_STYLE.findall(path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(site)}: {part}" for part in found)


def main(site: Path) -> int:
    """Print what is loaded from elsewhere; 1 if anything is."""
    if not (site / "index.html").is_file():
        print(f"{site}: no built site")
        return 1
    faults = list(outside_parts(site))
    print("\n".join(faults) or f"{site}: every part lies in the site")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
