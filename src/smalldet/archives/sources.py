"""Which scenes an archive is: files, folders, patterns, lists, and STAC, of this or other machines.

Plain predict follows lists to files of this machine alone. What is named here may lie anywhere that
GDAL reads: `https://`, `s3://`, `/vsi...`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import Request, urlopen

from smalldet.archives.messages import Failure
from smalldet.imagery import ImageryOptions
from smalldet.imagery.remote import is_remote
from smalldet.imagery.sources import FileSource, find_sources
from smalldet.imagery.tile_indexes import STAC_SUFFIXES, asset_href, stac_in

LIST_SUFFIX = ".txt"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Found:
    """What an archive is made of.

    Args:
        scenes: to predict.
        failures: entries of lists that name no picture.
    """

    scenes: tuple[FileSource, ...]
    failures: tuple[Failure, ...]


def archive_sources(
    sources: Sequence[str | Path], imagery: ImageryOptions, asset: str | None = None
) -> Found:
    """The scenes of an archive, each once.

    Args:
        sources: what `find_sources` takes; text files with a path or URL a line; STAC items,
            collections, catalogs and results of searches, in files or at `http` addresses that end
            in .json or .geojson. Relative names are looked for beside the list.
        imagery: as `find_sources` takes it.
        asset: key of the asset of STAC items; see `tile_indexes.asset_href`.

    Raises:
        FileNotFoundError: a source does not exist. A file that a list names and that is not there
            is no error here: it fails when it is opened.
        ValueError: a source has no pictures, or is damaged.
        OSError: an address does not answer.
    """
    plain: list[str] = []
    failures: list[Failure] = []
    for source in map(str, sources):
        listed = _listed(source, asset)
        if listed is None:
            plain.append(source)
            continue
        entries = list(listed)
        if not entries:
            raise ValueError(f"{source}: lists no pictures")
        failures += [entry for entry in entries if isinstance(entry, Failure)]
        plain += [entry for entry in entries if isinstance(entry, str)]
    named = {str(source) for source in sources}
    there: list[str] = []
    missing: dict[str, None] = {}
    for name in plain:
        if name in named or is_remote(name) or _is_file(name):
            there.append(name)
        else:
            missing[name] = None
    found = find_sources(there, imagery) if there or not sources else []
    return Found((*found, *missing), tuple(failures))


def _listed(source: str, asset: str | None) -> Iterator[str | Failure] | None:
    """What a list names; None where the source is no list of this kind."""
    if source.startswith(("http://", "https://")):
        suffix = Path(urlsplit(source).path).suffix.lower()
        if suffix not in STAC_SUFFIXES:
            return None
    elif not _is_file(source):
        return None
    elif Path(source).suffix.lower() == LIST_SUFFIX:
        return _lines(source)
    elif Path(source).suffix.lower() not in STAC_SUFFIXES:
        return None
    items = stac_in(_read_json(source))
    if items is None:
        return None
    return (entry for item in items for entry in _pictures(source, item, asset, ()))


def _lines(source: str) -> Iterator[str | Failure]:
    try:
        with Path(source).open(encoding="utf-8") as file:
            for line in file:
                name = line.strip()
                if name and not name.startswith("#"):
                    yield _located(source, name)
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}: is no text: {error}") from error


def _pictures(
    where: str, content: dict[str, Any], asset: str | None, above: tuple[str, ...]
) -> Iterator[str | Failure]:
    """Pictures of an item, of the items in a list and on its next pages, or of all that a
    collection or catalog links."""
    kind = content.get("type")
    if kind == "Feature":
        yield _picture(where, content, asset)
    elif kind == "FeatureCollection":
        for page, items in _pages(where, content):
            for item in items:
                yield _picture(page, item, asset)
    else:
        for link in _links(content, "item", "child"):
            below = _located(where, str(link.get("href")))
            if below in (*above, where):
                raise ValueError(f"{where}: links to {below}, which links to it again")
            for entry in _read_stac(below, where):
                yield from _pictures(below, entry, asset, (*above, where))


def _picture(where: str, item: dict[str, Any], asset: str | None) -> str | Failure:
    try:
        return _located(where, asset_href(where, item, asset))
    except ValueError as error:
        return Failure(f"{where}#{item.get('id', '')}", type(error).__name__, str(error))


def _pages(where: str, content: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The pages of a list of items: where each lies, and its items."""
    seen = {where}
    while True:
        yield where, content.get("features", [])
        links = list(_links(content, "next"))
        if not links:
            return
        if str(links[0].get("method", "GET")).upper() != "GET":
            raise ValueError(
                f"{where}: its next page is asked for by POST; save the pages as files"
            )
        where, before = _located(where, str(links[0].get("href"))), where
        if where in seen:
            raise ValueError(f"{before}: its next page is {where}, which was read before")
        seen.add(where)
        (content,) = _read_stac(where, before)


def _links(content: dict[str, Any], *kinds: str) -> Iterator[dict[str, Any]]:
    for link in content.get("links", []):
        if isinstance(link, dict) and link.get("rel") in kinds:
            yield link


def _read_stac(source: str, linked_by: str) -> list[dict[str, Any]]:
    content = stac_in(_read_json(source))
    if content is None:
        raise ValueError(f"{source}: is no STAC, but {linked_by} links to it as such")
    return content


def _located(where: str, name: str) -> str:
    """What a list names, from the list's own place or, where that is not there, from here.

    Raises:
        ValueError: a list of another machine names what only this one may.
    """
    if is_remote(where):
        full = urljoin(where, name)
        if "://" not in full or full.startswith("file:"):
            raise ValueError(f"{where}: names {name}, which is no address")
        return full
    if name.startswith("file://"):
        return unquote(urlsplit(name).path)
    if is_remote(name):
        return name
    beside = Path(where).parent / name
    return name if not beside.is_file() and _is_file(name) else str(beside)


def _read_json(source: str) -> Any:
    try:
        return json.loads(_content(source))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: is no JSON: {error}") from error


def _content(source: str) -> bytes:
    if not is_remote(source):
        return Path(source).read_bytes()
    if not source.startswith(("http://", "https://")):
        raise ValueError(f"{source}: lists are read from files and http addresses")
    try:
        request = Request(source, headers={"Accept": "application/geo+json, application/json"})
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.read()
    except URLError as error:
        raise OSError(f"{source}: does not answer: {error.reason}") from error


def _is_file(name: str) -> bool:
    return Path(name).is_file()
