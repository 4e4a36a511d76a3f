"""A catalogue of small scenes at Imja Tso, on this machine."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy as copy_raster
from rasterio.warp import transform_geom
from shapely.geometry import box, mapping

from .catalog_server import CatalogServer

KEYS = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "SCL": "scl"}


@pytest.fixture
def server():
    running = CatalogServer().start()
    yield running
    running.stop()


@pytest.fixture
def add_scene(server, product, tmp_path_factory):
    """Adds a scene to the server, made of the synthetic product: as Earth Search's Collection 1 shows it."""

    def add(
        day="2024-10-15", *, tile="45RVL", platform="A", baseline="05.10", cloud=5.0, clouded=0.0, scale=True, **more
    ):
        when = datetime.fromisoformat(f"{day}T04:57:01").replace(tzinfo=UTC)
        name = (
            f"S2{platform}_MSIL2A_{when:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_R119_T{tile}_{when:%Y%m%d}T083000"
        )
        folder = tmp_path_factory.mktemp("served")
        assets = {}
        for band, key in KEYS.items():
            path = _cog_of(product[0], band, folder / f"{band}.tif", scale=scale, clouded=clouded)
            assets[key] = _serve(
                server, f"/{name}/{band}.tif", path.read_bytes(), "image/tiff; profile=cloud-optimized"
            )
        xml = _metadata_of(product[0], baseline, name)
        assets["product_metadata"] = _serve(server, f"/{name}/product_metadata.xml", xml, "application/xml")
        properties = {
            "datetime": f"{when:%Y-%m-%dT%H:%M:%S}Z", "platform": f"sentinel-2{platform.lower()}",
            "eo:cloud_cover": cloud, "s2:snow_ice_percentage": 10.0, "s2:product_uri": f"{name}.SAFE",
            "s2:processing_baseline": baseline, "grid:code": f"MGRS-{tile}", "proj:epsg": 32645,
        }  # fmt: skip
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a",
            "geometry": _footprint(product[0]), "properties": properties, "assets": assets,
            "links": [{"rel": "self", "href": f"{server.url}/items/{name}"}], **more,
        }  # fmt: skip
        server.items.append(item)
        return item

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


def _serve(server: CatalogServer, path: str, content: bytes, media_type: str) -> dict:
    server.files[path] = content
    return {
        "href": server.url + path, "type": media_type, "file:size": len(content),
        "file:checksum": "1220" + hashlib.sha256(content).hexdigest(),
    }  # fmt: skip


def _cog_of(product: Path, band: str, path: Path, *, scale: bool, clouded: float) -> Path:
    """A band of the product as a COG; with clouds over the northern part of the classification."""
    (image,) = product.rglob(f"*_{band}_*m.jp2")
    with rasterio.open(image) as source:
        profile, pixels = source.profile, source.read(1)
    if band == "SCL":
        pixels[: round(clouded * len(pixels))] = 9
    profile = {key: profile[key] for key in ("width", "height", "count", "dtype", "crs", "transform")}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", nodata=0, **profile) as target:
            target.write(pixels, 1)
            if scale and band != "SCL":
                target.scales, target.offsets = [1e-4], [-0.1]
        with memory.open() as source:
            copy_raster(source, path, driver="COG", compress="DEFLATE", blocksize=128)
    return path


def _metadata_of(product: Path, baseline: str, name: str) -> bytes:
    text = (product / "MTD_MSIL2A.xml").read_text()
    text = re.sub(r"(<PROCESSING_BASELINE>)[\d.]+", rf"\g<1>{baseline}", text)
    return text.replace(product.name, f"{name}.SAFE").encode()


def _footprint(product: Path) -> dict:
    with rasterio.open(next(product.rglob("*_B02_10m.jp2"))) as source:
        return transform_geom(source.crs, "EPSG:4326", mapping(box(*source.bounds)))


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Content of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def random_bytes(count: int, seed: int = 0) -> bytes:
    """Bytes that do not repeat."""
    return np.random.default_rng(seed).bytes(count)
