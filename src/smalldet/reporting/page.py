"""A page: one HTML file with its style and pictures inside, light or dark as the reader's machine.

What comes from files (names, classes, messages) goes through `escaped`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1c2330; --soft: #5b6474;
  --line: #dde1e8; --error: #c62828; --warning: #b26a00; --note: #2f6fb3; --good: #2e7d32;
  --bar: #4a7fc1; }
@media (prefers-color-scheme: dark) { :root { --back: #14171c; --card: #1d2129; --text: #e6e9ef;
  --soft: #9aa4b5; --line: #333a46; --error: #ff7b72; --warning: #e3a33b; --note: #6cb0ff;
  --good: #6fcf77; --bar: #5d93d8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 36px 0 10px; }
p { margin: 4px 0; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 14px 16px; margin: 10px 0; }
.verdict { border-left: 5px solid var(--mark); font-size: 17px; }
.verdict b { color: var(--mark); }
.finding { border-left: 5px solid var(--mark); overflow-wrap: anywhere; }
.badge { display: inline-block; color: var(--mark); border: 1px solid var(--mark);
  border-radius: 4px; padding: 0 7px; font-size: 12px; font-weight: 600; margin-right: 8px; }
.error { --mark: var(--error); } .warning { --mark: var(--warning); }
.note { --mark: var(--note); } .good { --mark: var(--good); }
.figures { display: flex; flex-wrap: wrap; gap: 10px; }
.finding .figures { margin: 10px 0 4px; }
figure { margin: 0; max-width: 100%; }
figure img { display: block; max-width: 100%; border-radius: 4px; background: #8883; }
figure .pair { display: flex; gap: 3px; }
figure .pair img { min-width: 0; }
figcaption { font-size: 12px; line-height: 1.35; color: var(--soft); margin-top: 3px;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
th, td { text-align: right; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: 13px; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
td:has(.bar) { text-align: left; }
td .bar { display: inline-block; height: 9px; border-radius: 2px; background: var(--bar); }
svg { display: block; max-width: 100%; height: auto; }
svg:not(.marks) text { fill: var(--soft); font-size: 12px; }
svg .bar { fill: var(--bar); } svg .grid { stroke: var(--line); }
h3 { font-size: 15px; margin: 22px 0 8px; }
th:first-child, td:first-child { min-width: 6.5em; }
.path { overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 10px;
  margin: 14px 0; }
.tile { display: flex; flex-direction: column; margin: 0; padding: 10px 14px; }
.tile b { font-size: 25px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile .soft { font-size: 12px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 20px; }
.two > div { min-width: 0; }
.chart, .chart .plot { width: 100%; }
.chart svg { overflow: visible; }
""".strip()


def escaped(text: object) -> str:
    """Text as HTML; what is no character, as in names of files, becomes `\\udcff`."""
    return html.escape(str(text).encode("utf-8", "backslashreplace").decode("utf-8"))


def page(title: str, body: Sequence[str]) -> str:
    """A whole document.

    Args:
        title: plain text.
        body: parts, which are HTML already.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'  # else browsers ask the page's server for one
        f"<title>{escaped(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(heading: str, lead: str, *parts: str) -> str:
    """A heading, a plain sentence under it, and parts that are HTML already."""
    sentence = f'<p class="soft">{escaped(lead)}</p>' if lead else ""
    return f"<section>\n<h2>{escaped(heading)}</h2>\n{sentence}\n" + "\n".join(parts) + "</section>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; cells are HTML already, the first column stands left."""
    top = "".join(f"<th>{escaped(head)}</th>" for head in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="card scroll"><table><tr>{top}</tr>{lines}</table></div>'
