"""Lines of `bundled.py` on single real scenes: the Dolomites and Alberta."""

import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from geopandas import GeoDataFrame
from judge_maps import ANY_PIXEL, Place, Verdict
from judge_table import Row, calibration_row, count_row, score_row
from rasterio.features import shapes
from scipy.ndimage import label

from datasets_def.grid import Grid
from datasets_def.indices import NDWI_BANDS, ndwi
from datasets_def.polygons import read_polygons
from datasets_def.scene import open_scene
from glofgeo.config import MapConfig
from glofgeo.evaluation import Case, evaluate_all
from glofgeo.evaluation.lakes import IOU_LEVELS
from glofgeo.evaluation.pixels import Mask, Polygons, bring, burn
from glofgeo.mapping import map_scene
from glofgeo.models import Predictor
from glofgeo.percent import is_lake, percent_cut

DOLOMITES = "scenes/dolomites_S2_L2A_2022-06_B02B03B04B08_10m.tif"
DOLOMITES_LAKES = "scenes/dolomites_lakes.gpkg"
# Row and column of nine pixels that may be a roof or a pond.
UNCERTAIN = (872, 235)
UNCERTAIN_REACH = 5
ALBERTA = "scenes/alberta_S2_L2A_2019-05-22_B02B03B04B08_12m_4326.tif"
ALBERTA_CLASSES = "scenes/alberta_S2_L2A_2019-05-22_SCL.tif"
ALBERTA_PONDS = Path(__file__).with_name("alberta_ponds.gpkg")
# Classes of the scene classification: cloud shadow, cloud of medium and of high probability, thin cirrus.
CLOUDED = (3, 8, 9, 10)
NOTICED, DRAWN = IOU_LEVELS


def dolomites(data: Path, models: dict[str, Predictor], out: Path) -> list[Row]:
    """Judges the map of five lakes in high alpine ground."""
    scene = open_scene(data / DOLOMITES, offset=-1000)
    row, col = UNCERTAIN
    x, y = scene.transform * (col + 0.5, row + 0.5)
    spot = shapely.box(x, y, x, y).buffer(UNCERTAIN_REACH * scene.transform.a, cap_style="square")
    judged = GeoDataFrame(geometry=[scene.outline - spot], crs=scene.crs)
    place = Place(scene, data / DOLOMITES_LAKES, "", judged)
    verdicts, seconds, false = judge_scene(place, models, out, MapConfig())
    return [
        score_row(verdicts, "iou", "IoU", ">= 0.80"),
        _found(verdicts, DRAWN, "4 of 5"),
        _found(verdicts, NOTICED, "5 of 5"),
        count_row(verdicts, "false lakes of 5 pixels or more", lambda one: str(one.score.stray), "<= 1"),
        Row("false lakes of any size", {method: str(count) for method, count in false.items()}),
        score_row(verdicts, "false_per_100_km2", "false lakes on 100 km²", digits=1),
        calibration_row(verdicts),
        Row("seconds of the map", {method: f"{spent:.1f}" for method, spent in seconds.items()}, "< 60"),
    ]


def alberta(data: Path, models: dict[str, Predictor], out: Path) -> list[Row]:
    """Judges the map of ponds outside cloud and its shadow."""
    scene = open_scene(data / ALBERTA)
    with rasterio.open(data / ALBERTA_CLASSES) as source:
        clear = ~np.isin(source.read(1), CLOUDED)
    ponds = gpd.read_file(ALBERTA_PONDS, layer="ponds")
    doubtful = ponds["confidence"] == "doubtful"
    clear &= ~burn(bring(ponds[doubtful], scene.grid), scene.grid)
    out.mkdir(parents=True, exist_ok=True)
    certain = out / "ponds.gpkg"
    ponds[~doubtful].to_file(certain, layer="lakes")
    place = Place(scene, certain, "", outline(clear, scene.grid))
    verdicts, _, false = judge_scene(place, models, out, ANY_PIXEL)
    return [
        score_row(verdicts, "recall", "recall of area", ">= 0.6"),
        score_row(verdicts, "precision", "precision of area", ">= 0.8"),
        score_row(verdicts, "iou", "IoU"),
        _found(verdicts, DRAWN),
        _found(verdicts, NOTICED),
        count_row(verdicts, "false ponds of 5 pixels or more", lambda one: str(one.score.stray)),
        Row("false ponds of any size", {method: str(count) for method, count in false.items()}),
        score_row(verdicts, "false_per_100_km2", "false ponds on 100 km²", digits=1),
        calibration_row(verdicts),
    ]


def judge_scene(
    place: Place, models: dict[str, Predictor], out: Path, settings: MapConfig
) -> tuple[dict[str, Verdict], dict[str, float], dict[str, int]]:
    """Maps a scene with every model as a user does, and compares the maps with its lakes.

    Returns:
        The verdicts, the seconds that each model's map took, and the false lakes of any size; NDWI > 0 among the
        methods of the first and the last.
    """
    verdicts, seconds, false = {}, {}, {}
    scene, (rows, cols) = place.scene, place.scene.shape
    lakes = bring(read_polygons(place.lakes), scene.grid)
    usable = np.ones((rows, cols), np.bool_) if place.aoi is None else burn(bring(place.aoi, scene.grid), scene.grid)
    for name, model in models.items():
        started = time.perf_counter()
        found = map_scene(scene, model, out=out / name, settings=settings)
        seconds[name] = time.perf_counter() - started
        drawn, told = (
            evaluate_all([Case(found.folder / file, scene, place.aoi)], place.lakes)
            for file in ("mask.tif", "probability.tif")
        )
        verdicts[name], verdicts["ndwi"] = Verdict(drawn.model, told.calibration), Verdict(drawn.ndwi, None)
        lake = is_lake(found.probability, percent_cut(settings.threshold))
        false[name] = count_false(lake & usable, lakes, scene.grid)
    image, valid = scene.load(bands=NDWI_BANDS)
    false["ndwi"] = count_false((ndwi(*image) > 0) & valid & usable, lakes, scene.grid)
    return verdicts, seconds, false


def count_false(mask: Mask, lakes: Polygons, grid: Grid) -> int:
    """Counts the 8-connected patches of a mask, however small, that share no pixel with a lake."""
    patches, count = label(mask, np.ones((3, 3)))
    return count - len(np.setdiff1d(patches[burn(lakes, grid)], [0]))


def outline(mask: Mask, grid: Grid) -> GeoDataFrame:
    """Outlines the true pixels of a mask along their edges."""
    found = shapes(mask.astype(np.uint8), mask=mask, transform=grid.transform)
    return GeoDataFrame(geometry=[shapely.geometry.shape(shape) for shape, _ in found], crs=grid.crs)


def _found(verdicts: dict[str, Verdict], iou: float, target: str = "") -> Row:
    """Tells how many lakes were found at an IoU."""

    def count(one: Verdict) -> str:
        level = one.score.lakes[IOU_LEVELS.index(iou)]
        return f"{level.found} of {level.found + level.missed}"

    return count_row(verdicts, f"lakes found at IoU {iou:g}", count, target)
