"""What the demo removes before it begins anew, and how it explains its figures."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from glofgeo.demo import _clear, _count_lakes, _figures, _note_files, _one_line
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import evaluate


def earlier(out):
    """What an earlier demo left."""
    _clear(out)
    for name in ("data/aoi.geojson", "maps/scene/lakes.gpkg", "run/best.safetensors", "scorecard.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("simulated")
    _note_files(out)


def test_an_earlier_demo_is_removed(tmp_path):
    earlier(tmp_path)
    (tmp_path / "maps" / "scene" / "lakes.gpkg-wal").write_text("of a program that showed it")
    _clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"demo.json", "scorecard.json"}


@pytest.mark.parametrize("name", ["maps/scene/project.qgz", "thesis.docx", "maps/link"])
def test_what_no_demo_wrote_stays_with_all_beside_it(tmp_path, name):
    out = tmp_path / "demo"
    earlier(out)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.docx").write_text("years")
    if name == "maps/link":
        (out / name).symlink_to(elsewhere)
    else:
        (out / name).write_text("mine")
    before = sorted(out.rglob("*"))
    with pytest.raises(GlofgeoError, match=name) as refusal:
        _clear(out)
    assert refusal.value.argument == "out"
    assert sorted(out.rglob("*")) == before and (elsewhere / "thesis.docx").exists()


@pytest.mark.parametrize("mark", ["", "{}", '{"made_by": "me", "files": ["demo.json"]}', '["glofgeo demo"]'])
def test_a_folder_with_another_mark_is_not_ours(tmp_path, mark):
    (tmp_path / "demo.json").write_text(mark)
    with pytest.raises(GlofgeoError, match="no earlier demo"):
        _clear(tmp_path)
    assert (tmp_path / "demo.json").read_text() == mark


def test_the_figures_say_how_many_lakes_stand_behind_each(tmp_path, write_raster):
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[0, 5:15, 5:13] = 1
    path = write_raster(tmp_path / "mask.tif", mask, bands=("mask",), nodata=255)
    lakes = [shapely.box(300050, 3099850, 300150, 3099950), shapely.box(300200, 3099850, 300300, 3099950)]
    frame = gpd.GeoDataFrame(geometry=lakes, crs="EPSG:32645")
    frame.to_file(tmp_path / "lakes.gpkg")
    areas = [shapely.box(300000, 3099600, 300170, 3100000), shapely.box(300190, 3099600, 300400, 3100000)]
    aoi = gpd.GeoDataFrame({"split": ["train", "val"]}, geometry=areas, crs="EPSG:32645").to_crs("EPSG:4326")
    aoi.to_file(tmp_path / "aoi.geojson")
    count = _count_lakes(tmp_path / "lakes.gpkg", tmp_path / "aoi.geojson")
    card = evaluate(path, tmp_path / "lakes.gpkg")
    validation, place, bundled = _figures(card, card, 0.604, count)
    assert validation.startswith("Lake IoU 0.60 on validation, which chose the epoch: 1 lakes")
    assert place.startswith("Lake IoU 0.40 on the second place: 2 lakes")
    assert bundled.startswith("Lake IoU 0.40 on the same lakes with the model that comes with glofgeo")
    assert _one_line(card) == "lake IoU 0.40, 1 of 2 lakes found at IoU 0.5, 0 false lakes"
