"""A product as catalogues keep it: one COG a band, the product's metadata, and a STAC item."""

import json
from pathlib import Path
from typing import Any

import rasterio
from rasterio.shutil import copy

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def write_cogs(product: Path, folder: Path, compress: str = "DEFLATE", blocks: int = 128) -> Path:
    """Writes what Earth Search keeps of a product, with DN as they are in it, and returns the folder."""
    assets = {}
    for image in sorted(product.rglob("*_?0m.jp2")):
        band = image.stem.split("_")[-2]
        copy(image, folder / f"{band}.tif", driver="COG", compress=compress, blocksize=blocks, overviews="NONE")
        assets[band.lower()] = {"href": f"./{band}.tif", "type": COG, "eo:bands": [{"name": band}]}
    (folder / "product_metadata.xml").write_bytes((product / "MTD_MSIL2A.xml").read_bytes())
    assets["product_metadata"] = {"href": "./product_metadata.xml", "type": "application/xml"}
    write_item(folder / "item.json", item_of(product.name, assets))
    return folder


def item_of(uri: str, assets: dict[str, Any]) -> dict[str, Any]:
    """A STAC item of the synthetic product at Imja Tso, in the shape of Earth Search's Collection 1."""
    ring = [[86.5, 27.5], [87.5, 27.5], [87.5, 28.5], [86.5, 28.5], [86.5, 27.5]]
    properties = {
        "datetime": "2024-10-15T05:03:04.123000Z", "platform": "sentinel-2a", "grid:code": "MGRS-45RVL",
        "eo:cloud_cover": 4.0, "proj:epsg": 32645, "s2:product_uri": uri, "s2:product_type": "S2MSI2A",
    }  # fmt: skip
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "S2A_T45RVL_20241015T045701_L2A", "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties, "assets": assets,
    }  # fmt: skip


def write_item(path: Path, item: dict[str, Any]) -> Path:
    path.write_text(json.dumps(item))
    return path


def set_scale(path: Path, scale: float, offset: float) -> None:
    """Gives a band the scale and offset that Collection 1's files carry."""
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as target:
        target.scales, target.offsets = [scale], [offset]
