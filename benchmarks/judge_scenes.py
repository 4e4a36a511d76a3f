"""Lines of `bundled.py` on single real scenes: the Dolomites and Alberta.

`alberta_ponds.gpkg` (layer `ponds`) is drawn for this. Seeds were pixels with NDWI above 0, and pixels whose near
infrared is low and under half of that of their surroundings; each patch grew to where the near infrared is half-way
between its own and that of its banks. All patches of 6 pixels or more were then looked at, one by one, in enlargements
of true colour and of false colour (near infrared, red, green), and kept, dropped, or marked. The four large tailings
ponds, pale and turbid, were outlined by hand and cut at their shores, half-way between the NDWI of water and beach;
those under thin haze are in it. `confidence` tells `clear` ponds from `doubtful` ones (reaches of brooks, wet ground,
dark roofs and pits, pools in the mines of a few pixels, cloud over a pond that the scene classification misses), which
are not judged. `river` is the river: water, but no pond, and land to the judge.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from geopandas import GeoDataFrame
from judge_maps import ANY_PIXEL, THRESHOLD, Place, Verdict
from judge_table import Row, calibration_row, count_row, score_row
from rasterio.features import shapes
from scipy.ndimage import label

from datasets_def.grid import Grid
from datasets_def.indices import NDWI_BANDS, ndwi
from datasets_def.polygons import read_polygons
from datasets_def.scene import open_scene
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


@dataclass(frozen=True)
class Judged:
    """A scene mapped with every method.

    Attributes:
        verdicts: by method; NDWI > 0 is one.
        masks: what each method calls lake before small patches are dropped, and where that is judged.
        seconds: that the map of each model took.
        false: lakes of any size that share no pixel with a reference lake, by method.
    """

    verdicts: dict[str, Verdict]
    masks: dict[str, Mask]
    seconds: dict[str, float]
    false: dict[str, int]


def dolomites(data: Path, models: dict[str, Predictor], out: Path) -> list[Row]:
    """Judges the map of five lakes in high alpine ground."""
    scene = open_scene(data / DOLOMITES, offset=-1000)
    row, col = UNCERTAIN
    x, y = scene.transform * (col + 0.5, row + 0.5)
    spot = shapely.Point(x, y).buffer(UNCERTAIN_REACH * scene.transform.a, cap_style="square")
    area = GeoDataFrame(geometry=[scene.outline - spot], crs=scene.crs)
    judged = judge_scene(Place(scene, data / DOLOMITES_LAKES, "", area), models, out)
    verdicts = judged.verdicts
    return [
        score_row(verdicts, "iou", "IoU", ">= 0.80"),
        _found(verdicts, DRAWN, "4 of 5"),
        _found(verdicts, NOTICED, "5 of 5"),
        count_row(verdicts, "false lakes of 500 m² or more", lambda one: str(one.score.stray), "<= 1"),
        Row("false lakes of any size", {method: str(count) for method, count in judged.false.items()}),
        score_row(verdicts, "false_per_100_km2", "false lakes of 500 m² or more on 100 km²", digits=1),
        calibration_row(verdicts),
        Row("seconds of the map", {method: f"{spent:.1f}" for method, spent in judged.seconds.items()}, "< 60"),
    ]


def alberta(data: Path, models: dict[str, Predictor], out: Path) -> list[Row]:
    """Judges the map of ponds outside cloud and its shadow; what may be a pond is left out, and rivers are land."""
    scene = open_scene(data / ALBERTA)
    ponds = gpd.read_file(ALBERTA_PONDS, layer="ponds")
    kinds = {str(kind): some for kind, some in ponds.groupby("confidence")}
    burnt = {kind: burn(bring(some, scene.grid), scene.grid) for kind, some in kinds.items()}
    with rasterio.open(data / ALBERTA_CLASSES) as source:
        visible = ~np.isin(source.read(1), CLOUDED) & ~burnt["doubtful"]
    out.mkdir(parents=True, exist_ok=True)
    clear = out / "ponds.gpkg"
    kinds["clear"].to_file(clear, layer="lakes")
    judged = judge_scene(Place(scene, clear, "", outline(visible, scene.grid)), models, out)
    verdicts, river = judged.verdicts, burnt["river"] & visible
    return [
        score_row(verdicts, "recall", "recall of area", ">= 0.6"),
        score_row(verdicts, "precision", "precision of area", ">= 0.8"),
        score_row(verdicts, "iou", "IoU"),
        _found(verdicts, DRAWN),
        _found(verdicts, NOTICED),
        count_row(verdicts, "false ponds of 5 pixels or more", lambda one: str(one.score.stray)),
        Row("false ponds of any size", {method: str(count) for method, count in judged.false.items()}),
        score_row(verdicts, "false_per_100_km2", "false ponds of 5 pixels or more on 100 km²", digits=1),
        Row(
            "share of the rivers called pond",
            {name: f"{mask[river].mean():.1%}" for name, mask in judged.masks.items()},
        ),
        calibration_row(verdicts),
    ]


def judge_scene(place: Place, models: dict[str, Predictor], out: Path) -> Judged:
    """Maps a scene with every model as a user does, and compares the maps with its lakes."""
    verdicts, seconds, masks = {}, {}, {}
    scene = place.scene
    lakes = bring(read_polygons(place.lakes), scene.grid)
    usable = burn(bring(place.aoi, scene.grid), scene.grid)
    for name, model in models.items():
        started = time.perf_counter()
        found = map_scene(scene, model, out=out / name, settings=ANY_PIXEL)
        seconds[name] = time.perf_counter() - started
        drawn, told = (
            evaluate_all([Case(found.folder / file, scene, place.aoi)], place.lakes)
            for file in ("mask.tif", "probability.tif")
        )
        verdicts[name], verdicts["ndwi"] = Verdict(drawn.model, told.calibration), Verdict(drawn.ndwi, None)
        masks[name] = is_lake(found.probability, percent_cut(THRESHOLD)) & usable
    image, valid = scene.load(bands=NDWI_BANDS)
    masks["ndwi"] = (ndwi(*image) > 0) & valid & usable
    false = {name: count_false(mask, lakes, scene.grid) for name, mask in masks.items()}
    return Judged(verdicts, masks, seconds, false)


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
