"""Items of the four dialects, shaped as the catalogues answered: one scene of Khumbu, the same product in each."""

from copy import deepcopy
from typing import Any

URI = "S2A_MSIL2A_20231012T045701_N0509_R119_T45RVL_20231012T083100.SAFE"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
GEOMETRY = {
    "type": "Polygon",
    "coordinates": [[[86.0, 27.1], [87.1, 27.1], [87.1, 28.0], [86.0, 28.0], [86.0, 27.1]]],
}
_CLOUDS = {"eo:cloud_cover": 4.025136, "s2:snow_ice_percentage": 31.2}
_S2 = {
    "s2:product_uri": URI, "s2:processing_baseline": "05.09", "s2:product_type": "S2MSI2A",
    "s2:datatake_id": "GS2A_20231012T045701_043386_N05.09",
}  # fmt: skip


def _item(identity: str, properties: dict[str, Any], assets: dict[str, Any], root: str, **more: Any) -> dict[str, Any]:
    links = [
        {"rel": "self", "href": f"{root}/collections/c/items/{identity}", "type": "application/geo+json"},
        {"rel": "root", "href": root, "type": "application/json"},
    ]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": identity, "geometry": GEOMETRY, "properties": properties,
        "assets": assets, "links": links, **more,
    }  # fmt: skip


def earth_search_c1() -> dict[str, Any]:
    folder = (
        "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/45/R/VL/2023/10/"
        "S2A_T45RVL_20231012T045648_L2A"
    )

    def band(name: str, common: str, metres: int) -> dict[str, Any]:
        raster = {"nodata": 0, "data_type": "uint16", "spatial_resolution": metres, "scale": 1e-4, "offset": -0.1}
        return {
            "href": f"{folder}/{name}.tif", "type": COG, "roles": ["data", "reflectance"], "gsd": metres,
            "eo:bands": [{"name": name, "common_name": common, "center_wavelength": 0.665}], "raster:bands": [raster],
            "file:checksum": "1220" + "AB" * 32, "file:size": 196_123_456,
        }  # fmt: skip

    properties = {
        "datetime": "2023-10-12T05:03:04.123000Z", "platform": "sentinel-2a", "constellation": "sentinel-2",
        "proj:epsg": 32645, "mgrs:utm_zone": 45, "mgrs:latitude_band": "R", "mgrs:grid_square": "VL",
        "grid:code": "MGRS-45RVL", "processing:version": "0.2.0", **_CLOUDS, **_S2,
    }  # fmt: skip
    assets = {
        "blue": band("B02", "blue", 10), "green": band("B03", "green", 10), "red": band("B04", "red", 10),
        "nir": band("B08", "nir", 10), "nir08": band("B8A", "nir08", 20), "swir16": band("B11", "swir16", 20),
        "scl": {"href": f"{folder}/SCL.tif", "type": COG, "raster:bands": [{"nodata": 0, "data_type": "uint8"}]},
        "visual": {"href": f"{folder}/TCI.tif", "type": COG, "roles": ["visual"]},
        "product_metadata": {"href": f"{folder}/product_metadata.xml", "type": "application/xml"},
        "granule_metadata": {"href": f"{folder}/granule_metadata.xml", "type": "application/xml"},
    }  # fmt: skip
    root = "https://earth-search.aws.element84.com/v1"
    return _item("S2A_T45RVL_20231012T045648_L2A", properties, assets, root, collection="sentinel-2-c1-l2a")


def earth_search() -> dict[str, Any]:
    folder = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/45/R/VL/2023/10/S2A_45RVL"
    item = earth_search_c1() | {"id": "S2A_45RVL_20231012_0_L2A", "collection": "sentinel-2-l2a"}
    item["properties"] |= {"earthsearch:boa_offset_applied": True}
    del item["assets"]["product_metadata"]
    for key, asset in list(item["assets"].items()):
        name = asset["href"].rpartition("/")[2]
        asset["href"] = f"{folder}/{name}"
        asset.pop("file:size", None), asset.pop("file:checksum", None)
        if "eo:bands" in asset:
            asset["eo:bands"] = [{"name": key, "common_name": key}]
            jp2 = {"href": f"s3://sentinel-s2-l2a/tiles/45/R/VL/2023/10/12/0/R10m/{name[:3]}.jp2", "type": "image/jp2"}
            item["assets"][f"{key}-jp2"] = asset | jp2
    return item


def planetary_computer() -> dict[str, Any]:
    safe = f"https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/45/R/VL/2023/10/12/{URI}"
    images = f"{safe}/GRANULE/L2A_T45RVL_A043386_20231012T050304/IMG_DATA"

    def band(name: str, metres: int) -> dict[str, Any]:
        return {
            "href": f"{images}/R{metres}m/T45RVL_20231012T045701_{name}_{metres}m.tif?se=2026-01-01&sig=abc%3D",
            "type": COG, "roles": ["data"], "gsd": metres, "proj:shape": [10980, 10980],
            **({} if name == "SCL" else {"eo:bands": [{"name": name, "common_name": "rededge"}]}),
        }  # fmt: skip

    properties = {
        "datetime": "2023-10-12T04:57:01.024000Z", "platform": "Sentinel-2A", "constellation": "Sentinel 2",
        "proj:epsg": 32645, "s2:mgrs_tile": "45RVL", **_CLOUDS, **_S2,
    }  # fmt: skip
    assets = {name: band(name, 10) for name in ("B02", "B03", "B04", "B08")}
    assets |= {name: band(name, 20) for name in ("B05", "B8A", "SCL")}
    assets["visual"] = band("B02", 10) | {"eo:bands": [{"name": "B04"}, {"name": "B03"}, {"name": "B02"}]}
    assets["product-metadata"] = {"href": f"{safe}/MTD_MSIL2A.xml", "type": "application/xml", "roles": ["metadata"]}
    assets["granule-metadata"] = {"href": f"{safe}/GRANULE/x/MTD_TL.xml", "type": "application/xml"}
    identity = "S2A_MSIL2A_20231012T045701_R119_T45RVL_20231012T083100"
    return _item(identity, properties, assets, "https://planetarycomputer.microsoft.com/api/stac/v1")


def copernicus() -> dict[str, Any]:
    safe = f"s3://eodata/Sentinel-2/MSI/L2A/2023/10/12/{URI}"

    def band(name: str, metres: int) -> dict[str, Any]:
        return {
            "href": f"{safe}/GRANULE/x/IMG_DATA/R{metres}m/T45RVL_20231012T045701_{name}_{metres}m.jp2",
            "type": "image/jp2", "roles": ["data"], "nodata": 0, "data_type": "uint16", "gsd": metres,
            "bands": [{"name": name, "eo:common_name": "any"}], "raster:scale": 1e-4, "raster:offset": -0.1,
            "file:size": 123_456_789, "file:checksum": "d50110" + "0a" * 16, "proj:code": "EPSG:32645",
        }  # fmt: skip

    properties = {
        "datetime": "2023-10-12T04:57:01.024Z", "platform": "sentinel-2a", "grid:code": "MGRS-45RVL",
        "product:type": "S2MSI2A", "processing:level": "L2", "processing:version": "05.09",
        "eo:cloud_cover": 4.03, "eo:snow_cover": 31.2, "eopf:datatake_id": "GS2A_20231012T045701_043386_N05.09",
    }  # fmt: skip
    assets = {f"{name}_{metres}m": band(name, metres) for name in ("B02", "B8A", "SCL") for metres in (60, 20)}
    assets |= {f"{name}_10m": band(name, 10) for name in ("B02", "B03", "B04", "B08")}
    assets["product_metadata"] = {"href": f"{safe}/MTD_MSIL2A.xml", "type": "application/xml"}
    assets["granule_metadata"] = {"href": f"{safe}/GRANULE/x/MTD_TL.xml", "type": "application/xml"}
    item = _item(URI.removesuffix(".SAFE"), properties, assets, "https://stac.dataspace.copernicus.eu/v1")
    return item | {"stac_version": "1.1.0", "collection": "sentinel-2-l2a"}


def earth_search_v2() -> dict[str, Any]:
    """Earth Search as announced: c1 under the old name, in STAC 1.1."""
    item = deepcopy(earth_search_c1()) | {"stac_version": "1.1.0", "collection": "sentinel-2-l2a"}
    item["properties"]["proj:code"] = f"EPSG:{item['properties'].pop('proj:epsg')}"
    for asset in item["assets"].values():
        raster = asset.pop("raster:bands", [{}])[0]
        eo = asset.pop("eo:bands", [{}])[0]
        merged = {f"eo:{key}" if key == "common_name" else key: value for key, value in eo.items()}
        merged |= {key: raster[key] for key in ("nodata", "data_type") if key in raster}
        merged |= {f"raster:{key}": raster[key] for key in ("scale", "offset") if key in raster}
        if merged:
            asset["bands"] = [merged]
    return item


DIALECTS = {
    "earth-search c1": earth_search_c1,
    "earth-search": earth_search,
    "planetary computer": planetary_computer,
    "copernicus": copernicus,
    "earth-search v2": earth_search_v2,
}
