"""Lake layers in other formats: the same lakes, and nothing overwritten."""

import gzip
import json
import struct

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine

from glofgeo.errors import GlofgeoError
from glofgeo.export import export_lakes
from glofgeo.inventory import COLUMNS, describe_lakes, write_lakes


@pytest.fixture(params=[0, 3], ids=["empty", "three"])
def layer(request, tmp_path):
    """A layer of lakes, possibly without any."""
    outlines = [shapely.multipolygons([shapely.box(480_000 + 900 * i, 3_086_000, 480_300 + 900 * i, 3_086_500)])
                for i in range(request.param)]  # fmt: skip
    known = {"n_px": 1500, "prob_mean": 0.9, "prob_p10": 0.6, "valid_frac": 1.0, "touches_edge": False}
    frame = gpd.GeoDataFrame(geometry=outlines, crs="EPSG:32645").assign(**known)
    lakes = describe_lakes(frame, Affine(10, 0, 0, 0, -10, 0), scene_id="S2A_X", acquired=None, baseline="05.11")
    write_lakes(tmp_path / "lakes.gpkg", lakes)
    return tmp_path / "lakes.gpkg"


@pytest.mark.parametrize("form", ["fgb", "geoparquet"])
def test_lakes_come_back_the_same(layer, form):
    if form == "geoparquet":
        pytest.importorskip("pyarrow", reason="the extra geoparquet, 176 MB, is not installed")
    path = export_lakes(layer, form)
    before = gpd.read_file(layer, layer="lakes")
    after = (gpd.read_parquet if form == "geoparquet" else gpd.read_file)(path)
    assert after.crs == before.crs and set(COLUMNS) <= set(after.columns)
    by_name = [frame.sort_values("lake_id", ignore_index=True) for frame in (before, after)]
    np.testing.assert_array_equal(*(frame["lake_id"] for frame in by_name))
    np.testing.assert_array_equal(*(frame["area_m2"] for frame in by_name))
    assert by_name[0].geometry.geom_equals(by_name[1].geometry).all()


def _name_of_tiles(path):
    # Where the metadata begin and how long they are, in the same header.
    start, length = struct.unpack("<QQ", path.read_bytes()[24:40])
    return json.loads(gzip.decompress(path.read_bytes()[start:][:length]))["name"]


def test_tiles_hold_every_lake(layer):
    before = gpd.read_file(layer, layer="lakes")
    if before.empty:
        with pytest.raises(GlofgeoError, match="no lake"):
            export_lakes(layer, "pmtiles")
    else:
        path = export_lakes(layer, "pmtiles")
        assert set(pyogrio.read_dataframe(path, layer="lakes")["lake_id"]) == set(before["lake_id"])
        # Least and greatest zoom: https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md#header
        assert path.read_bytes()[100:102] == bytes([4, 13])
        assert _name_of_tiles(path) == "lakes"
        path.unlink()
    assert [file.name for file in layer.parent.iterdir()] == ["lakes.gpkg"]


def test_a_file_in_its_place_stays(layer):
    path = layer.with_suffix(".fgb")
    path.write_text("mine")
    with pytest.raises(GlofgeoError, match=r"lakes\.fgb"):
        export_lakes(layer, "fgb")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("kind", ["text", "other layer", "other columns"])
def test_what_is_no_lake_layer_is_named(tmp_path, kind):
    path = tmp_path / "x.gpkg"
    if kind == "text":
        path.write_text("no")
    else:
        name = "roads" if kind == "other layer" else "lakes"
        gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(1, 2)], crs="EPSG:4326").to_file(path, layer=name)
    with pytest.raises(GlofgeoError, match=r"x\.gpkg"):
        export_lakes(path, "fgb")
    assert [file.name for file in tmp_path.iterdir()] == ["x.gpkg"]
