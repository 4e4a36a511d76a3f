"""The report of one scene: stands alone, and tells what the layer tells."""

import re
from datetime import UTC, datetime

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from shapely.affinity import affine_transform

from datasets_def.grid import Grid
from glofgeo.inventory import describe_lakes
from glofgeo.mapping.overview import Backdrop
from glofgeo.mapping.report_file import write_report

RECORD = {
    "scene": "S2A <b>", "acquired": "2024-10-15T04:57:01", "observed_share": 0.875, "cloud_mask": True, "lakes": 2,
    "lake_area_m2": 0.5e6, "lake_area_unc_m2": 1e4, "lake_area_unc_alike_m2": 2e4, "model": "bundled", "note": None,
    "checkpoint_sha256": "0123456789abcdef", "made": "2024-10-16T00:00:00", "versions": {"glofgeo": "1"},
    "settings": {"threshold": 0.5, "min_area": 500},
}  # fmt: skip
GRID = Grid((50, 80), Affine(100, 0, 480000, 0, -100, 3090000), CRS.from_epsg(32645))


@pytest.fixture
def page_of(tmp_path):
    def write(sides, grid=GRID, **columns):
        to_crs = grid.transform @ ~GRID.transform
        places = [
            shapely.box(481000 + 2000 * i, 3088000, 481000 + 2000 * i + side, 3088000 + side)
            for i, side in enumerate(sides)
        ]
        outlines = [shapely.MultiPolygon([affine_transform(place, to_crs.to_shapely())]) for place in places]
        pixels = {"n_px": 100, "prob_mean": 0.9, "prob_p10": 0.8, "valid_frac": 1.0, "touches_edge": False}
        names = gpd.GeoDataFrame(index=range(len(sides)), geometry=outlines, crs=grid.crs).assign(**pixels)
        lakes = describe_lakes(
            names, Affine.scale(10, -10), scene_id="S2A", acquired=datetime(2024, 10, 15, tzinfo=UTC), baseline=None
        ).assign(**columns)
        hidden = np.zeros(GRID.shape, bool)
        hidden[:10] = True
        backdrop = Backdrop(np.full((*GRID.shape, 3), 90, np.uint8), hidden, grid)
        write_report(tmp_path / "report.html", lakes, RECORD, backdrop)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_the_page_stands_alone_and_names_the_scene(page_of):
    page = page_of([900, 300])
    assert not re.search(r'(src|href)="?(http|//)|url\(|@import|fetch\(|XMLHttp', page)
    assert "S2A &lt;b&gt;" in page and "<b>:" not in page and "87.5%" in page
    # The larger one is wide enough to be drawn as it is.
    assert page.count("<circle") == 1 and page.count("<path d=") == 1 and page.count("data:image/jpeg") == 1


def test_lakes_are_added_up_by_size(page_of):
    page = page_of([600, 300, 100])
    assert "<td>0.1-1</td><td>1</td><td>0.3" in page and "<td>0.02-0.1</td><td>1</td><td>0.0" in page
    assert "<td>0.005-0.02</td><td>1</td><td>0.01" in page and "<td>all</td><td>3</td><td>0.46" in page
    assert "Elevation" not in page and "Lake type" not in page


def test_what_else_is_known_is_told(page_of):
    columns = {
        "elev_m": [5010.0, np.nan], "dist_glacier_m": [0.0, 3000.0], "lake_type": ["ice-contact", "unconnected"],
        "basin": ["Kosi", ""], "country": "Nepal", "qa_flag": ["steep", ""],
    }  # fmt: skip
    page = page_of([600, 300], **columns)
    for told in ("5000–5500 m", "unknown", "0–0.1 km", "2–5 km", "ice-contact", "Kosi", "Nepal"):
        assert f"<td>{told}</td>" in page, told
    assert "<td>steep</td>" in page and "<i class=ice-contact>" in page


def test_a_scene_without_lakes_has_a_page_too(page_of):
    page = page_of([])
    assert "<td>all</td><td>0</td><td>0.0000" in page and "<circle" not in page


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        (4326, Affine(0.001, 0, 179.97, 0, -0.001, 66.02)), (4326, Affine(0.001, 0, 180.5, 0, -0.001, 66.02)),
        (3857, Affine(200, 0, 20037508 - 4000, 0, -200, 9000000)), (3031, Affine(100, 0, -4000, 0, -100, 2500)),
        (32661, Affine(100, 0, 1996000, 0, -100, 2002500)),
    ],
)  # fmt: skip
def test_outlines_are_drawn_beyond_180_degrees_and_at_the_poles(page_of, crs, place):
    page = page_of([900, 300], Grid(GRID.shape, place, CRS.from_epsg(crs)))
    drawn = re.findall(r'<path class="is" d="M([^Z]+)Z', page)
    assert len(drawn) == 2
    for outline in drawn:
        points = np.array([pair.split() for pair in outline.split("L")], float)
        assert np.ptp(points, axis=0).min() > 20
    # Of a kilometre at most, not of a turn around the Earth.
    assert max(int(metres) for metres in re.findall(r">(\d+) m</text>", page)) <= 500
