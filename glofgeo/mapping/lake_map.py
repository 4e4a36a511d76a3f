"""LakeMap: a finished map, to work with in Python."""

import html
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import DatasetReader

from datasets_def.grid import Grid
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.record import summary
from glofgeo.mapping.scene_folder import read_record
from glofgeo.percent import NOT_OBSERVED

if TYPE_CHECKING:
    import xarray

_RASTERS = ("probability.tif", "mask.tif")


@dataclass(frozen=True, repr=False, eq=False)
class LakeMap:
    """The map of one scene.

    Attributes:
        lakes: one row a lake, in the CRS of the scene; columns as in `lakes.gpkg` (areas in square metres).
        record: what `run.json` says: scene, model, settings, observed share.
        folder: where its files lie; None if it was made without `out`.
    """

    lakes: gpd.GeoDataFrame
    record: dict[str, Any]
    folder: Path | None
    # The files of `_RASTERS` where there is no folder, compressed as they are.
    _files: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def probability(self) -> npt.NDArray[np.uint8]:
        """Lake probability, uint8 `(rows, cols)` in percent 0-100, 255 = not observed."""
        return self._read("probability.tif")

    @cached_property
    def mask(self) -> npt.NDArray[np.uint8]:
        """Lakes, uint8 `(rows, cols)`: 0 land, 1 lake, 255 = not observed."""
        return self._read("mask.tif")

    @cached_property
    def grid(self) -> Grid:
        """Shape, transform and CRS of the rasters: those of the scene, or of the part that was asked for."""
        with self._open("mask.tif") as raster:
            return Grid(raster.shape, raster.transform, raster.crs)

    def to_xarray(self) -> "xarray.Dataset":
        """Gives both rasters as an xarray Dataset.

        Returns:
            `probability` and `mask`, uint8 `(y, x)` with 255 as `_FillValue`, coordinates of pixel centres in the CRS,
            and the CRS in `spatial_ref` (CF conventions, as rioxarray reads them).

        Raises:
            GlofgeoError: If xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise GlofgeoError("xarray is not installed", "`pip install xarray` or `uv pip install xarray`") from None
        rows, cols = self.grid.shape
        transform, wkt = self.grid.transform, self.grid.crs.to_wkt()
        x = transform.c + transform.a * (np.arange(cols) + 0.5)
        y = transform.f + transform.e * (np.arange(rows) + 0.5)
        geotransform = " ".join(map(repr, transform.to_gdal()))
        known = {"_FillValue": NOT_OBSERVED, "grid_mapping": "spatial_ref"}
        return xarray.Dataset(
            {
                "probability": (("y", "x"), self.probability, known | {"units": "%", "long_name": "lake probability"}),
                "mask": (("y", "x"), self.mask, known | {"flag_values": [0, 1], "flag_meanings": "land lake"}),
            },
            {"y": y, "x": x, "spatial_ref": ((), 0, {"crs_wkt": wkt, "GeoTransform": geotransform})},
            {"scene": self.record["scene"]},
        )

    def __repr__(self) -> str:
        return f"<LakeMap {self.record['scene']}: {self._told()}>"

    def _repr_html_(self) -> str:
        return f"<b>{html.escape(self.record['scene'])}</b>: {html.escape(self._told())}"

    def _told(self) -> str:
        return summary(self.record, brief=True)

    def _read(self, name: str) -> npt.NDArray[np.uint8]:
        with self._open(name) as raster:
            values: npt.NDArray[np.uint8] = raster.read(1)
        return values

    def _open(self, name: str) -> DatasetReader:
        return rasterio.open(BytesIO(self._files[name]) if self.folder is None else self.folder / name)


def read_map(folder: str | Path, *, in_memory: bool = False) -> LakeMap:
    """Opens a map that `map_scene` has written.

    Args:
        folder: of one scene.
        in_memory: hold the rasters, compressed, so that the folder may go.

    Raises:
        GlofgeoError: If there is no map.
    """
    folder = Path(folder)
    record = read_record(folder)
    if not record:
        raise GlofgeoError(f"{folder}: holds no map", "name the folder of one scene, with its run.json")
    lakes = gpd.read_file(folder / "lakes.gpkg", layer="lakes")
    if in_memory:
        return LakeMap(lakes, record, None, {name: (folder / name).read_bytes() for name in _RASTERS})
    return LakeMap(lakes, record, folder)
