"""A scene that can be mapped, and how: checked and cut into windows before any pixel is read."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.windows import Window

from datasets_def.bands import TERRAIN
from datasets_def.grid import Grid
from datasets_def.reproject import areas_on_grid
from datasets_def.scene import Scene
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inference.stream import Area
from glofgeo.inference.windows import plan_windows
from glofgeo.mapping.scene_folder import fingerprint
from glofgeo.mapping.surroundings import Surroundings
from glofgeo.models.bands import require_bands
from glofgeo.models.predictor import Predictor

# Pixels differ by more than this share from those a model was trained on: its windows then show another landscape.
_OTHER_PIXEL = 0.25


# A DEM that leaves less than a hundredth of a scene uncovered covers it: edges of tiles are not those of scenes.
_WHOLE = 0.99


class OffSceneError(GlofgeoError):
    """The area of interest does not meet the scene."""


@dataclass(frozen=True)
class Job:
    """A scene and how it will be mapped.

    Attributes:
        area: the part of the scene that is wanted, cut into windows.
        predictor: the model.
        settings: how to map.
        fingerprint: of everything that decides what the map will say.
        pixel_m: side of the scene's pixels in metres.
        note: what is unusual about it, in a sentence.
        surroundings: DEM and glacier outlines, if given.
    """

    area: Area
    predictor: Predictor
    settings: MapConfig
    fingerprint: str
    pixel_m: float
    note: str | None
    surroundings: Surroundings | None = None

    @property
    def scene(self) -> Scene:
        """What to map."""
        return self.area.scene

    @property
    def windows(self) -> int:
        """Number of windows."""
        return len(self.area.plan)


@dataclass(frozen=True)
class PolygonMask:
    """What of a grid lies within polygons of its CRS."""

    polygons: npt.NDArray[np.object_]
    grid: Grid
    window: Window

    def rows(self, first: int, count: int) -> npt.NDArray[np.bool_]:
        """Gives `(count, cols)` from row `first` of the window on, True inside."""
        part = Window(self.window.col_off, self.window.row_off + first, self.window.width, count)
        strip = self.grid.window(part)
        return geometry_mask(self.polygons, strip.shape, strip.transform, invert=True)


def plan_scene(
    scene: Scene,
    predictor: Predictor,
    settings: MapConfig = MapConfig(),  # noqa: B008 (frozen)
    aoi: gpd.GeoDataFrame | None = None,
    surroundings: Surroundings | None = None,
) -> Job:
    """Checks that a model can map a scene, and cuts it into windows; reads no pixel.

    Args:
        scene: with the bands that the model reads.
        predictor: the model.
        settings: how to map.
        aoi: map only within these polygons.
        surroundings: DEM and glacier outlines, for further columns of the layer.

    Raises:
        OffSceneError: If the area of interest lies off the scene.
        GlofgeoError: If the scene lacks a band that the model or a setting needs, has pixels of another size than those
            the model was trained on, or lies off the DEM.
    """
    require_bands(predictor.bands, scene.readable, str(scene.path))
    scene.require(scene.bands)
    if scene.bands != predictor.bands:
        raise GlofgeoError(
            f"{scene.path}: opened with {', '.join(scene.bands)}, but this model reads "
            f"{', '.join(predictor.bands)} in this order"
        )
    if settings.skip_dry and not {"B03", "B08"} <= set(scene.bands):
        raise GlofgeoError(
            "skipping dry windows needs B03 and B08, which this model does not read",
            "leave it out",
            argument="skip_dry",
        )
    if surroundings and surroundings.dem and not surroundings.dem.meets(scene.grid):
        if surroundings.dem_is_named or not TERRAIN.keys().isdisjoint(scene.bands):
            raise GlofgeoError(
                f"{surroundings.dem.files[0]}: the DEM does not cover {scene.id}", "check both in QGIS", argument="dem"
            )
        surroundings = surroundings.without_dem
    pixel_m = scene.grid.pixel_side
    other = _other_pixel(pixel_m, predictor.card.pixel_m)
    if other and not settings.any_resolution:
        raise GlofgeoError(
            f"{scene.path}: {other}", "take a model for these pixels, or map it all the same", argument="any_resolution"
        )
    note = "; ".join(filter(None, (other, _oblong(scene), _partly_covered(scene)))) or None
    area = _area(scene, aoi, predictor.window, settings.overlap)
    name = f"{predictor.runtime} {predictor.sha256}"
    made_of = fingerprint(
        scene, name, predictor.window, aoi, settings, None if surroundings is None else surroundings.facts
    )
    return Job(area, predictor, settings, made_of, pixel_m, note, surroundings)


def require_same_place(folder: Path, scene: Scene) -> None:
    """Makes sure that a map that a scene's map would replace is not of another place.

    Raises:
        GlofgeoError: If it is: many programs give all their exports one name.
    """
    try:
        with rasterio.open(folder / "probability.tif") as there:
            grid = Grid(there.shape, there.transform, there.crs)
    except RasterioError:
        return
    if grid.crs == scene.crs and grid.outline.intersects(scene.outline):
        return
    raise GlofgeoError(
        f"{scene.path}: {folder} holds the map of another place, of a scene with the same name",
        "rename this file, or write to another folder",
        argument="out",
    )


def _other_pixel(pixel_m: float, trained_m: float | None) -> str | None:
    if trained_m is None or abs(pixel_m / trained_m - 1) <= _OTHER_PIXEL:
        return None
    return f"its pixels are {pixel_m:.3g} m wide, and the model was trained on {trained_m:.3g} m"


def _oblong(scene: Scene) -> str | None:
    times = scene.grid.oblongness
    if times <= 1 + _OTHER_PIXEL:
        return None
    return f"its pixels are {times:.2g} times as long as wide on the ground, and models learn from square ones"


def _partly_covered(scene: Scene) -> str | None:
    share = 1.0 if scene.terrain is None else scene.terrain.dem.covers(scene.grid)
    return None if share > _WHOLE else f"the DEM covers {share:.0%} of it, and only that is mapped"


def _area(scene: Scene, aoi: gpd.GeoDataFrame | None, window: int, overlap: int) -> Area:
    """The scene's rectangle, or the part of it that the area of interest touches."""
    rows, cols = scene.shape
    cut, mask = Window(0, 0, cols, rows), None
    if aoi is not None:
        polygons = areas_on_grid(aoi.geometry, scene.crs, scene.outline)
        if not polygons.size:
            raise OffSceneError(f"{scene.path}: the area of interest lies off this scene", "check both in QGIS")
        left, bottom, right, top = shapely.total_bounds(polygons)
        cut = scene.grid.intersect((left, bottom, right, top))
        mask = PolygonMask(polygons, scene.grid, cut)
    plan = plan_windows((int(cut.height), int(cut.width)), window, min(overlap, window // 2))
    return Area(scene, cut, plan, mask)
