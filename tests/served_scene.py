"""A scene as a catalogue lists it, made of a synthetic product, on a server of the tests."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio
from rasterio.shutil import copy as copy_raster
from rasterio.warp import transform_geom
from shapely.geometry import box, mapping

KEYS = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "SCL": "scl"}


def serve_scene(server, product: Path, folder: Path, day: str = "2024-10-15", *, tile="45RVL", platform="A",
                baseline="05.10", cloud=5.0, clouded=0.0, scale=True, **more: Any) -> dict[str, Any]:  # fmt: skip
    """Makes a scene in the shape of Earth Search's Collection 1.

    Args:
        server: has `url`, and takes the content of files in `files` and items in `items`.
        product: a synthetic one.
        folder: for files in between.
        day: of the acquisition.
        tile: of the grid.
        platform: letter of the satellite.
        baseline: of the processing.
        cloud: percent of the tile, as the catalogue says.
        clouded: share of the classification that shows clouds, from the north.
        scale: the images carry scale and offset.
        more: of the item.
    """
    when = datetime.fromisoformat(f"{day}T04:57:01").replace(tzinfo=UTC)
    name = f"S2{platform}_MSIL2A_{when:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_R119_T{tile}_{when:%Y%m%d}T083000"
    assets = {}
    for band, key in KEYS.items():
        path = write_cog(product, band, folder / f"{band}.tif", scale=scale, clouded=clouded)
        assets[key] = serve_file(
            server, f"/{name}/{band}.tif", path.read_bytes(), "image/tiff; profile=cloud-optimized"
        )
    xml = metadata_of(product, baseline, name)
    assets["product_metadata"] = serve_file(server, f"/{name}/product_metadata.xml", xml, "application/xml")
    properties = {
        "datetime": f"{when:%Y-%m-%dT%H:%M:%S}Z", "platform": f"sentinel-2{platform.lower()}",
        "eo:cloud_cover": cloud, "s2:snow_ice_percentage": 10.0, "s2:product_uri": f"{name}.SAFE",
        "s2:processing_baseline": baseline, "grid:code": f"MGRS-{tile}", "proj:epsg": 32645,
    }  # fmt: skip
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a",
        "geometry": footprint(product), "properties": properties, "assets": assets,
        "links": [{"rel": "self", "href": f"{server.url}/items/{name}"}], **more,
    }  # fmt: skip
    server.items.append(item)
    return item


def serve_file(server, path: str, content: bytes, media_type: str) -> dict:
    server.files[path] = content
    return {
        "href": server.url + path, "type": media_type, "file:size": len(content),
        "file:checksum": "1220" + hashlib.sha256(content).hexdigest(),
    }  # fmt: skip


def write_cog(product: Path, band: str, path: Path, *, scale: bool, clouded: float) -> Path:
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


def metadata_of(product: Path, baseline: str, name: str) -> bytes:
    text = (product / "MTD_MSIL2A.xml").read_text()
    text = re.sub(r"(<PROCESSING_BASELINE>)[\d.]+", rf"\g<1>{baseline}", text)
    return text.replace(product.name, f"{name}.SAFE").encode()


def footprint(product: Path) -> dict:
    with rasterio.open(next(product.rglob("*_B02_10m.jp2"))) as source:
        return transform_geom(source.crs, "EPSG:4326", mapping(box(*source.bounds)))
