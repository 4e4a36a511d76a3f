"""Writes a world as files: a GeoTIFF scene, and the outlines of its lakes."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely.geometry import shape

from datasets_def.atomic import written_beside
from datasets_def.bands import DEFAULT_BANDS
from datasets_def.synthetic.terrain import Floats
from datasets_def.synthetic.worlds.kinds import KINDS
from datasets_def.synthetic.worlds.world import draw_world

EPSG, OFFSET = 32645, 1000
_STEP_M = 20_000


def write_world(
    folder: Path, kind: str, seed: int, size: int = 504, *, declared_m: float | None = None
) -> tuple[Path, Path]:
    """Writes the world of a kind and a seed, on a spot of its own.

    Args:
        folder: where to write; it is made.
        kind: a name in `KINDS`.
        seed: of the world.
        size: rows and columns, at most 660.
        declared_m: pixel size in metres that the files claim, so that worlds of all pixel sizes can be trained on
            together; by default their own.

    Returns:
        The scene, `KIND_SEED.tif`: uint16 DN = reflectance x 10000 + 1000 in named bands, EPSG:32645. And its lakes,
        `KIND_SEED_lakes.gpkg`: layer `lakes`, outlines along pixel edges, in the same CRS, empty where there is none.
    """
    world = draw_world(kind, seed, size)
    side = declared_m or world.pixel_m
    east, north = _spot(kind, seed)
    transform = Affine(side, 0, east, 0, -side, north)
    return write_image(folder, f"{kind}_{seed}", world.reflectance, world.lake, transform)


def write_image(
    folder: Path, name: str, reflectance: Floats, lake: NDArray[np.bool_], transform: Affine
) -> tuple[Path, Path]:
    """Writes an image and the outlines of its lakes, as `write_world` does.

    Args:
        folder: where to write; it is made.
        name: of the files, without ending.
        reflectance: `(4, H, W)` in B02, B03, B04, B08, 1.0 = 100 %, NaN where nothing was seen.
        lake: `(H, W)`.
        transform: from pixels to EPSG:32645.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scene, lakes = folder / f"{name}.tif", folder / f"{name}_lakes.gpkg"
    outlines = [shape(ring) for ring, value in shapes(lake.astype("uint8"), transform=transform) if value]
    frame = gpd.GeoDataFrame({"area_m2": [one.area for one in outlines]}, geometry=outlines, crs=EPSG)
    with written_beside(lakes) as part:
        frame.to_file(part, layer="lakes", driver="GPKG", engine="pyogrio", geometry_type="Polygon")
    dn = np.clip(np.rint(reflectance * 10000) + OFFSET, 1, 65535)
    dn = np.where(np.isfinite(dn), dn, 0).astype("uint16")
    profile = {
        "driver": "GTiff", "dtype": "uint16", "count": 4, "height": dn.shape[1], "width": dn.shape[2],
        "crs": f"EPSG:{EPSG}", "transform": transform, "nodata": 0, "compress": "deflate", "predictor": 2,
        "tiled": True, "blockxsize": 256, "blockysize": 256,
    }  # fmt: skip
    with written_beside(scene) as part, rasterio.open(part, "w", **profile) as file:
        file.write(dn)
        file.descriptions = DEFAULT_BANDS
        file.scales, file.offsets = (1e-4,) * 4, (-OFFSET * 1e-4,) * 4
    return scene, lakes


def _spot(kind: str, seed: int) -> tuple[float, float]:
    """A corner that no other kind has, and no other seed of the thousand."""
    number = list(KINDS).index(kind) * 1000 + seed % 1000
    return 200_000.0 + number % 30 * _STEP_M, 1_000_000.0 + number // 30 * _STEP_M
