"""What there is to train on: which scene shows what of which split. Reads metadata and polygons, no pixels."""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import shapely
from geopandas import GeoDataFrame, GeoSeries
from shapely.geometry.base import BaseGeometry

from datasets_def import GlacialLakes, Scene, find_scenes, open_scene
from datasets_def.aoi import SPLITS
from datasets_def.dates import decimal_year, mapped_in, require_one_date
from datasets_def.reproject import (
    WGS84,
    areas_on_grid,
    lakes_on_grid,
    neighbourhood,
    polygons_of,
    to_crs,
    to_degrees,
)
from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError, GlofgeoWarning, NoScenesError
from glofgeo.training.audit import Audit, audit
from glofgeo.training.samplers import SceneArea
from glofgeo.training.sources import Sources
from glofgeo.training.splits import Split, split_aoi
from glofgeo.training.validation import plan_area

# Multiple of the encoder's patch, so that a shrunk training window has no padded tokens; at least two of them.
_PATCH = 14

# A lake mapped too long ago may have grown or shrunk this far (metres).
_STALE_M = 100.0

# With fewer lakes than a handful, the figures of a split tell of these lakes and not of the model.
_FEWEST_LAKES = 5


@dataclass(frozen=True)
class SceneView:
    """A scene, and what of each split it shows, in its CRS; a split it does not show is missing."""

    scene: Scene
    regions: Mapping[str, BaseGeometry]


@dataclass(frozen=True)
class Survey:
    """What a training can see.

    Attributes:
        sources: what was surveyed.
        views: every scene that shows some of a split.
        audit: how the splits were made, checked.
        window: side of a training crop in pixels, shrunk to the largest scene; validation keeps the mapper's.
        pixel_m: side of the scenes' pixels in metres (geometric mean).
    """

    sources: Sources
    views: tuple[SceneView, ...]
    audit: Audit
    window: int
    pixel_m: float

    def of(self, split: str) -> list[tuple[Scene, BaseGeometry]]:
        """Gives the scenes that show a split, and what of it each shows, in the scene's CRS."""
        return [(view.scene, view.regions[split]) for view in self.views if split in view.regions]

    @property
    def used(self) -> list[SceneView]:
        """The scenes to train and validate on."""
        return _used(self.views)

    @property
    def scene_ids(self) -> list[str]:
        """Ids of the scenes to train and validate on."""
        return [view.scene.id for view in self.used]


def survey(sources: Sources, config: TrainConfig) -> Survey:
    """Finds out which scene shows what of which split.

    Args:
        sources: what to learn from.
        config: bands, windows, split.

    Raises:
        GlofgeoError: If a scene or the lakes cannot be used, the scenes' pixels differ in size, the AOI is off the
            scenes, the lakes are off both, or training or validation would have nothing to look at.
    """
    scenes, damaged = _open_whole(sources, config)
    lakes = GlacialLakes(sources.lakes, crs=WGS84).polygons
    require_one_date(lakes, str(sources.lakes))
    split = _split(sources, config, scenes, lakes)
    found = audit(split, lakes, allow_leaks=config.allow_leaks)
    _require_lakes(sources, found)
    stale, undated = _stale_lakes(sources, config, scenes, lakes)
    views = tuple(
        SceneView(scene, regions)
        for scene, old in zip(scenes, stale, strict=True)
        if (regions := _regions(split, scene, old))
    )
    shown = {name for view in views for name in view.regions}
    if not {"train", "val"} <= shown:
        raise GlofgeoError(
            f"{sources.lakes}: no lake was mapped in the years around a scene",
            "allow more years",
            argument="data.lake_years",
        )
    used = [view.scene for view in _used(views)]
    side, window = max(max(scene.shape) for scene in used), config.data.window
    found = dataclasses.replace(
        found, scene_overlap=_scene_overlap(views, window), damaged=damaged, lakes_undated=undated
    )
    return Survey(
        sources,
        views,
        found,
        window if side >= window else max(side // _PATCH, 2) * _PATCH,
        _common_pixel(used),
    )


def region_of(area: BaseGeometry, scene: Scene, stale: GeoDataFrame | None = None) -> BaseGeometry:
    """Brings an area (EPSG:4326) to a scene.

    Args:
        area: what to bring.
        scene: to whose grid.
        stale: lakes that are neither learned nor judged there, nor what lies within 100 m of them; EPSG:4326.

    Returns:
        What of the area lies within the grid, in the scene's CRS; empty if there is none.
    """
    region = shapely.union_all(areas_on_grid(GeoSeries([area], crs=WGS84), scene.crs, scene.outline))
    if stale is not None and not region.is_empty:
        # Metres are metres in a projection around the scene, whatever the scene counts in.
        west, south, east, north = neighbourhood(scene.crs, scene.outline)
        local = f"+proj=aeqd +lon_0={(west + east) / 2} +lat_0={(south + north) / 2} +datum=WGS84 +units=m"
        around = to_crs(GeoSeries([scene.grid.footprint], crs=WGS84), local).iloc[0].buffer(_STALE_M)
        old = GeoSeries(lakes_on_grid(stale.geometry, local, around), crs=local).buffer(_STALE_M)
        region -= shapely.union_all(areas_on_grid(old, scene.crs, scene.outline))
    return shapely.MultiPolygon(list(polygons_of(region)))


def _used(views: Sequence[SceneView]) -> list[SceneView]:
    return [view for view in views if "train" in view.regions or "val" in view.regions]


def _regions(split: Split, scene: Scene, stale: GeoDataFrame | None) -> dict[str, BaseGeometry]:
    regions = {name: region_of(split.areas[name], scene, stale) for name in SPLITS if name in split.areas}
    return {name: region for name, region in regions.items() if not region.is_empty}


def _open_whole(sources: Sources, config: TrainConfig) -> tuple[list[Scene], dict[str, str]]:
    """Opens the scenes that show the area of interest and checks them; gives them, and what is damaged and why.

    Raises:
        GlofgeoError: If none shows it, or one is damaged, naming all that are, unless they are to be skipped.
    """
    area = to_degrees(sources.aoi.geometry).union_all()
    whole, damaged = [], {}
    for path in find_scenes(sources.scenes):
        try:
            scene = open_scene(path, config.model.bands, offset=sources.offset, dem=sources.dem)
            if scene.grid.footprint.intersects(area):
                _refuse_beyond_180(scene)
                scene.check()
                whole.append(scene)
        except GlofgeoError as error:
            damaged[path.name] = str(error)
    if damaged and not config.skip_damaged:
        told = "; ".join(f"{name} ({reason})" for name, reason in damaged.items())
        count = len(whole) + len(damaged)
        raise GlofgeoError(
            f"{len(damaged)} of {count} scenes cannot be used: {told}", "leave them out", argument="skip_damaged"
        )
    if not whole:
        raise NoScenesError(
            f"{sources.aoi_name}: lies outside all scenes of {sources.scenes}", "give scenes that show it"
        )
    return whole, damaged


def _split(sources: Sources, config: TrainConfig, scenes: Sequence[Scene], lakes: GeoDataFrame) -> Split:
    covered = shapely.union_all([scene.grid.footprint for scene in scenes])
    area = to_degrees(sources.aoi.geometry).union_all()
    if not len(lakes.sindex.query(covered & area, predicate="intersects")):
        raise GlofgeoError(
            f"{sources.lakes}: none of its {len(lakes)} lakes lies within {sources.aoi_name} and the scenes of "
            f"{sources.scenes}",
            "give the lakes of this region",
        )
    return split_aoi(sources.aoi, covered, lakes, config.data, config.seed, allow_leaks=config.allow_leaks)


def _require_lakes(sources: Sources, found: Audit) -> None:
    for split, purpose in (("train", "to train on"), ("val", "to validate on")):
        size = found.splits.get(split)
        if size is None:
            raise GlofgeoError(
                f"{sources.aoi_name}: no scene of {sources.scenes} shows its {split} split", f"add one {purpose}"
            )
        if not size.lakes:
            raise GlofgeoError(
                f"{sources.lakes}: no lake in the {split} split of {sources.aoi_name} where there are scenes"
            )
    for split, size in found.splits.items():
        if split != "train" and size.lakes < _FEWEST_LAKES:
            lakes = f"{size.lakes} lake{'s' if size.lakes > 1 else ''}"
            text = f"the {split} split has only {lakes}: its figures say more about them than about the model"
            warnings.warn(text, GlofgeoWarning, stacklevel=3)


def _stale_lakes(
    sources: Sources, config: TrainConfig, scenes: Sequence[Scene], lakes: GeoDataFrame
) -> tuple[list[GeoDataFrame | None], int]:
    """Gives the lakes that were mapped too long before or after each scene, and how many have no date."""
    limit = config.data.lake_years
    if limit is None:
        return [None] * len(scenes), 0
    dated = mapped_in(lakes, sources.lakes.name)
    return [lakes[~(_years_apart(dated, scene) <= limit)] for scene in scenes], int(dated.isna().sum())


def _years_apart(dated: "pd.Series[float]", scene: Scene) -> "pd.Series[float]":
    if scene.datetime is None:
        raise GlofgeoError(
            f"{scene.path}: has no date",
            "add the tag ACQUISITION_DATETIME, or do not leave out lakes by their date",
            argument="data.lake_years",
        )
    return (dated - decimal_year(pd.Timestamp(scene.datetime))).abs()


def _scene_overlap(views: Sequence[SceneView], window: int) -> dict[str, float]:
    """Gives the share of the windows of each split that judges whose scene also shows some of the training split."""
    shares = {}
    for split in ("val", "test"):
        windows = [
            ("train" in view.regions, len(plan_area(_bare_area(view, split), window).plan))
            for view in views
            if split in view.regions
        ]
        if windows:
            shares[split] = sum(n for known, n in windows if known) / sum(n for _, n in windows)
    return shares


def _bare_area(view: SceneView, split: str) -> SceneArea:
    return SceneArea(0, view.scene.grid, view.regions[split], GeoDataFrame())


def _refuse_beyond_180(scene: Scene) -> None:
    west, _, east, _ = scene.grid.bounds
    if scene.crs.is_geographic and max(-west, east) > 180:
        raise GlofgeoError(f"{scene.path}: its longitudes go beyond 180", "to train on it, save it in a UTM zone")


def _common_pixel(scenes: Sequence[Scene]) -> float:
    """Gives the size of the scenes' pixels in metres.

    Raises:
        GlofgeoError: If they differ by more than a quarter, as a model learns one size.
    """
    sides = {scene.grid.pixel_side: scene.path for scene in scenes}
    least, most = min(sides), max(sides)
    if most > 1.25 * least:
        raise GlofgeoError(
            f"{sides[most]}: its pixels are {most:.3g} m wide, those of {sides[least]} {least:.3g} m",
            "train on scenes of one size",
        )
    return math.sqrt(least * most)
