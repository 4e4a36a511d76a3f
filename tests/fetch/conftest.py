"""A catalogue of small scenes at Imja Tso, on this machine."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from served_scene import serve_scene
from shapely.geometry import box

from .catalog_server import CatalogServer


@pytest.fixture
def server():
    running = CatalogServer().start()
    yield running
    running.stop()


@pytest.fixture
def add_scene(server, product, tmp_path_factory):
    """Adds a scene to the server, made of the synthetic product."""

    def add(day="2024-10-15", **how):
        return serve_scene(server, product[0], tmp_path_factory.mktemp("served"), day, **how)

    return add


@pytest.fixture
def aoi(product, tmp_path) -> Path:
    """The middle of the scenes."""
    import geopandas as gpd

    with rasterio.open(next(product[0].rglob("*_B02_10m.jp2"))) as source:
        area = box(*source.bounds).buffer(-700)
        crs = source.crs
    path = tmp_path / "imja.geojson"
    gpd.GeoDataFrame(geometry=[area], crs=crs).to_crs(4326).to_file(path)
    return path


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """A disk that takes no file over so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def random_bytes(count: int, seed: int = 0) -> bytes:
    """Bytes that do not repeat."""
    return np.random.default_rng(seed).bytes(count)
