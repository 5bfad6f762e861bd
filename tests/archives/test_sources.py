"""What an archive is made of: lists, STAC in files and at addresses, and what is wrong in them."""

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from smalldet.archives.sources import archive_sources
from smalldet.imagery import ImageryOptions
from smalldet.imagery.mosaics import Mosaic
from tests.imagery.test_mosaics import cut, noise

SEPARATE = ImageryOptions(separate=True)


def item(name: str, **assets: str) -> dict:
    found = {
        key: {"href": href, "type": "image/tiff; application=geotiff"}
        for key, href in assets.items()
    }
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "assets": found}


def write(path: Path, content: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of a server of `tmp_path`."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_text_file_lists_paths_and_addresses(write_scene, tmp_path):
    here = write_scene("a.tif")
    listing = tmp_path / "list.txt"
    listing.write_text(
        f"# two that are there\nscenes/a.tif\n\n{here}\ns3://bucket/b.tif\ngone.tif\n"
    )
    found = archive_sources([listing], SEPARATE)
    assert found.scenes == (here, "s3://bucket/b.tif", str(tmp_path / "gone.tif"))
    assert not found.failures


def test_what_predict_takes_is_taken_too(tmp_path):
    """Adjoining files are one scene here as there."""
    cut(tmp_path / "tiles", noise(64, 48), (32, 24))
    (mosaic,) = archive_sources([tmp_path / "tiles"], ImageryOptions()).scenes
    assert isinstance(mosaic, Mosaic)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        archive_sources([tmp_path / "gone.tif"], SEPARATE)
    with pytest.raises(ValueError, match="no pictures given"):
        archive_sources([], SEPARATE)


def test_items_may_lie_on_other_machines(tmp_path):
    items = [item("a", visual="s3://b/a.tif", nir="s3://b/a8.tif"), item("b", nir="s3://b/b8.tif")]
    listing = write(tmp_path / "found.json", {"type": "FeatureCollection", "features": items})
    assert archive_sources([listing], SEPARATE).scenes == ("s3://b/a.tif", "s3://b/b8.tif")
    found = archive_sources([listing], SEPARATE, asset="visual")
    assert found.scenes == ("s3://b/a.tif",)
    (failure,) = found.failures
    assert failure.source == f"{listing}#b" and "has no asset 'visual'; it has nir" in failure.why


def test_a_search_is_followed_over_its_pages(address, tmp_path):
    for number, links in enumerate([[{"rel": "next", "href": "1.json"}], []]):
        page = {"type": "FeatureCollection", "links": links}
        page["features"] = [item(str(number), data=f"pictures/{number}.tif")]
        write(tmp_path / f"{number}.json", page)
    found = archive_sources([f"{address}/0.json"], SEPARATE)
    assert found.scenes == (f"{address}/pictures/0.tif", f"{address}/pictures/1.tif")


def test_a_catalog_is_followed_over_the_network(address, tmp_path):
    catalog = {"type": "Catalog", "stac_version": "1.0.0"}
    child = {"rel": "child", "href": "north/collection.json"}
    write(tmp_path / "catalog.json", catalog | {"links": [child]})
    links = [{"rel": "item", "href": "a.json"}, {"rel": "parent", "href": "../catalog.json"}]
    collection = catalog | {"type": "Collection", "links": links}
    write(tmp_path / "north" / "collection.json", collection)
    write(tmp_path / "north" / "a.json", item("a", visual="a.tif"))
    found = archive_sources([f"{address}/catalog.json"], SEPARATE)
    assert found.scenes == (f"{address}/north/a.tif",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"type": "FeatureCollection", "features": []}, "is no STAC|lists no pictures"),
        ({"links": [{"rel": "child", "href": "a.json"}]}, "which links to it again"),
        ({"links": [{"rel": "item", "href": "b.json"}]}, "b.json: does not answer: .* not found"),
        ({"links": [{"rel": "item", "href": "list.txt"}]}, "is no JSON"),
        (
            {"type": "FeatureCollection", "features": [item("a", data="a.tif")]}
            | {"links": [{"rel": "next", "href": "a.json"}]},
            "which was read before",
        ),
        (
            {"type": "FeatureCollection", "features": [item("a", data="a.tif")]}
            | {"links": [{"rel": "next", "href": "b.json", "method": "POST"}]},
            "asked for by POST",
        ),
    ],
)
def test_a_list_that_cannot_be_followed_says_why(address, tmp_path, content, why):
    (tmp_path / "list.txt").write_text("a.tif")
    write(tmp_path / "a.json", {"type": "Catalog", "stac_version": "1.0.0"} | content)
    with pytest.raises((ValueError, OSError), match=why):
        archive_sources([f"{address}/a.json"], SEPARATE)


@pytest.mark.parametrize("href", ["file:///etc/passwd", "/vsizip//etc/x.zip"])
def test_a_list_of_another_machine_names_no_file_of_this_one(address, tmp_path, href):
    write(tmp_path / "a.json", item("a", visual=href))
    found = archive_sources([f"{address}/a.json"], SEPARATE)
    assert all(name.startswith(address) for name in found.scenes)


def test_a_picture_at_an_address_is_no_list(address):
    assert archive_sources([f"{address}/a.tif"], SEPARATE).scenes == (f"{address}/a.tif",)
