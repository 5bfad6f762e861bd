"""Lists of pictures in files: GDAL's tile indexes, and STAC items, collections and lists of items.

Specifications: https://gdal.org/en/stable/programs/gdaltindex.html and
https://github.com/radiantearth/stac-spec (1.0 and 1.1). Only files on this machine are followed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from pyogrio import raw
from pyogrio.errors import DataLayerError, DataSourceError

from smalldet.imagery.remote import is_remote

LOCATION = "location"
"""The field of a tile index that names each picture."""
VECTOR_SUFFIXES = frozenset((".gpkg", ".shp", ".fgb", ".geojson"))
STAC_SUFFIXES = frozenset((".json", ".geojson"))

# An asset is taken by its key or role, in this order; a thumbnail is never one.
WANTED = ("visual", "data", "image")
UNWANTED = frozenset(("thumbnail", "overview", "metadata", "cloud", "snow-ice"))
COLOURS = frozenset(("red", "green", "blue"))


def listed_pictures(path: Path) -> list[str] | None:
    """The pictures that a file lists, in its order; None where it is no such list.

    Raises:
        FileNotFoundError: a picture is not there.
        ValueError: the list is empty or damaged, or a picture is not on this machine.
    """
    suffix = path.suffix.lower()
    found = _by_stac(path) if suffix in STAC_SUFFIXES else None
    if found is None and suffix in VECTOR_SUFFIXES:
        found = _by_tile_index(path)
    if found == []:
        raise ValueError(f"{path}: lists no pictures")
    return found


def _by_tile_index(path: Path) -> list[str] | None:
    try:
        if (
            LOCATION
            not in raw.read(path, layer=0, max_features=1, read_geometry=False)[0]["fields"]
        ):
            return None
        fields = raw.read(path, layer=0, columns=[LOCATION], read_geometry=False)[3]
    except (DataSourceError, DataLayerError):  # a GeoPackage of pictures alone, or no list at all
        return None
    return [_local(path, None if name is None else str(name)) for name in fields[0]]


def _by_stac(path: Path) -> list[str] | None:
    content = _read_json(path)
    items = stac_in(content)
    if items is None:
        return None
    return [asset for item in items for asset in _assets(path, item, ())]


def stac_in(content: object) -> list[dict[str, Any]] | None:
    """The items, lists of items, collections or catalogs of a JSON; None where it is no STAC."""
    items = content if isinstance(content, list) else [content]
    if not items or not all(isinstance(item, dict) and _is_stac(item) for item in items):
        return None
    return cast("list[dict[str, Any]]", items)


def _is_stac(content: dict[str, Any]) -> bool:
    if "stac_version" in content:
        return True
    features = content.get("features")
    return isinstance(features, list) and any(
        isinstance(feature, dict) and "assets" in feature for feature in features
    )


def _assets(path: Path, content: dict[str, Any], above: tuple[Path, ...]) -> Iterator[str]:
    """Pictures of an item, of the items in a list, or of all that a collection or catalog links."""
    kind = content.get("type")
    if kind == "Feature":
        yield _local(path, asset_href(str(path), content))
    elif kind == "FeatureCollection":
        for item in content.get("features", []):
            yield from _assets(path, item, above)
    else:
        for link in content.get("links", []):
            if not isinstance(link, dict) or link.get("rel") not in ("item", "child"):
                continue
            below = Path(_local(path, link.get("href")))
            if below.resolve() in above:
                raise ValueError(f"{path}: links to {below}, which links to it again")
            linked = _read_json(below)
            if not isinstance(linked, dict) or not _is_stac(linked):
                raise ValueError(f"{below}: is no STAC item, but {path} links to it as one")
            yield from _assets(below, linked, (*above, path.resolve()))


def asset_href(where: str, item: dict[str, Any], wanted: str | None = None) -> str:
    """What an item calls the one of its assets that is its picture.

    Args:
        where: the item comes from.
        item: of STAC.
        wanted: key of the asset; else that whose key or role says that it is the picture.

    Raises:
        ValueError: there is no such asset.
    """
    name = item.get("id", "an item")
    if wanted is not None:
        assets = dict(item.get("assets") or {})
        if wanted not in assets:
            there = ", ".join(map(str, assets)) or "none"
            raise ValueError(f"{where}: {name} has no asset {wanted!r}; it has {there}")
        return str(assets[wanted].get("href"))
    ranked: list[tuple[int, str]] = []
    single: set[str] = set()
    for key, asset in dict(item.get("assets") or {}).items():
        roles = {*asset.get("roles", []), str(key).lower()}
        kind = str(asset.get("type", "image/"))
        if roles & UNWANTED or not kind.startswith("image/"):
            continue
        bands = asset.get("bands") or asset.get("eo:bands") or []
        names = [band.get("eo:common_name") or band.get("common_name") for band in bands]
        if len(names) == 1 and names[0] in COLOURS:
            single.add(names[0])
        rank = min((WANTED.index(role) for role in roles if role in WANTED), default=len(WANTED))
        ranked.append((rank, str(asset.get("href"))))
    if not ranked:
        raise ValueError(f"{where}: {name} has no picture among its assets")
    best = min(ranked, key=lambda pair: pair[0])
    if best[0] and single >= COLOURS:
        raise ValueError(
            f"{where}: {name} has red, green and blue in a file each; join them first by "
            "`gdalbuildvrt -separate`"
        )
    return best[1]


def _local(path: Path, name: object) -> str:
    """A picture that a list names, from the list's own folder or, as GDAL does, from here."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"{path}: has an entry without the name of a picture")
    if name.startswith("file://"):
        name = unquote(urlsplit(name).path)
    if is_remote(name):
        raise ValueError(f"{path}: lists {name}, which is no file here; fetch it and list the file")
    for place in (path.parent / name, Path(name)):
        if place.is_file():
            return str(place)
    raise FileNotFoundError(f"{path}: lists {name}, and there is no such file")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is no JSON: {error}") from error
