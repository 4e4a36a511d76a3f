from datetime import UTC, datetime, timedelta

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity

from glofgeo.inventory import combine_lakes, describe_lakes

few = settings(max_examples=15)

NOON = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
PIXEL = Affine(10, 0, 0, 0, -10, 0)

# Neighbouring tiles that overlap by some 10 km: across the border of the zones at 84 degrees east, and within 45N.
WEST = ("EPSG:32644", shapely.box(699_960, 3_000_000, 809_760, 3_109_800))
EAST = ("EPSG:32645", shapely.box(199_980, 3_000_000, 309_780, 3_109_800))
FAR_EAST = ("EPSG:32645", shapely.box(299_940, 3_000_000, 409_740, 3_109_800))


def lake(longitude, latitude, width, height=None):
    """An ellipse of this many metres across, in EPSG:4326."""
    plane = f"+proj=laea +lon_0={longitude} +lat_0={latitude} +datum=WGS84"
    disc = shapely.Point(0, 0).buffer(0.5, quad_segs=90)
    ellipse = shapely.transform(disc, lambda xy: xy * [width, height or width])
    return gpd.GeoSeries([ellipse], crs=plane).to_crs("EPSG:4326").item()


def layer(outlines, crs="EPSG:32645", *, scene="S2A_X", acquired=NOON, baseline="05.11", **known):
    known = {"prob_mean": 0.9, "prob_p10": 0.6, "valid_frac": 1.0, "touches_edge": False} | known
    shapes = [shapely.multipolygons(shapely.get_parts(outline)) for outline in outlines]
    frame = gpd.GeoDataFrame({"n_px": [round(shape.area / 100) for shape in shapes]}, geometry=shapes, crs=crs)
    frame = frame.assign(**known)
    return describe_lakes(frame, PIXEL, scene_id=scene, acquired=acquired, baseline=baseline)


def seen(lakes, tile, scene, **known):
    """What a scene of the tile shows of lakes in EPSG:4326: corners snap to its grid, its border cuts."""
    crs, frame = tile
    there = shapely.set_precision(gpd.GeoSeries(lakes, crs="EPSG:4326").to_crs(crs).to_numpy(), 10)
    shown = [part for cut in shapely.intersection(there, frame) for part in shapely.get_parts(cut)]
    shown = [part for part in shown if part.area >= 500]
    cut = [part.intersects(frame.boundary) for part in shown]
    return layer(shown, crs, scene=scene, **{"touches_edge": cut} | known)


def equal(one, other):
    assert_geodataframe_equal(one, other, check_like=False)
    return True


def area_of(lakes):
    return layer(lakes, "EPSG:4326").area_m2.sum()


@few
@given(
    st.floats(83.9, 84.2), st.floats(27.3, 27.9), st.integers(800, 4000), st.integers(800, 4000)
)  # fmt: skip
def test_lake_seen_from_two_zones_occurs_once_and_whole(longitude, latitude, width, height):
    true = lake(longitude, latitude, width, height)
    found = combine_lakes([seen([true], WEST, "A"), seen([true], EAST, "B")])
    assert len(found) == 1
    assert found.crs == "EPSG:4326"
    assert found.area_m2.item() == pytest.approx(area_of([true]), rel=0.01)
    assert found.scene_id.item() in {"A", "B"}
    assert not found.touches_edge.item()


def test_lake_that_every_tile_cuts_becomes_one():
    true = lake(84.05, 27.6, 40_000, 3000)
    west = seen([true], WEST, "B", acquired=NOON + timedelta(seconds=9), prob_mean=0.8, prob_p10=0.7, valid_frac=0.5)
    east = seen([true], EAST, "A", prob_mean=0.95, prob_p10=0.4, valid_frac=0.7, baseline="05.10")
    (found,) = combine_lakes([west, east]).itertuples()
    assert west.touches_edge.item()
    assert east.touches_edge.item()
    assert found.area_m2 == pytest.approx(area_of([true]), rel=0.01)
    assert found.perim_m == pytest.approx(layer([true], "EPSG:4326").perim_m.item(), rel=0.01)
    assert found.n_px == pytest.approx(found.area_m2 / 100, rel=0.01)
    assert found.area_unc_m2 == pytest.approx(0.3436 * found.perim_m * 10, rel=0.01)
    share = west.area_m2.item() / (west.area_m2.item() + east.area_m2.item())
    assert found.prob_mean == pytest.approx(0.8 * share + 0.95 * (1 - share))
    assert (found.prob_p10, found.valid_frac) == (0.4, 0.7)
    assert (found.scene_id, found.proc_baseline) == ("A + B", "05.10 + 05.11")
    assert found.acq_datetime == pd.Timestamp(NOON)
    assert found.touches_edge
    assert found.lake_id == "GL084050E27600N"


def test_lake_across_180_degrees_occurs_once():
    middle = gpd.GeoSeries([shapely.Point(180, 66)], crs="EPSG:4326").to_crs("EPSG:32660").item()
    disc = gpd.GeoSeries([middle.buffer(500)], crs="EPSG:32660")
    other = layer(disc.to_crs("EPSG:32601"), "EPSG:32601", scene="B")
    assert len(combine_lakes([layer(disc, "EPSG:32660"), other])) == 1


# Scenes of some lakes: each tile at one or two dates, and one of unknown time.
@st.composite
def scenes(draw):
    place = st.tuples(st.floats(83.8, 85.2), st.floats(27.2, 28.0), st.integers(100, 20_000), st.integers(100, 5000))
    discs = [lake(*values) for values in draw(st.lists(place, min_size=1, max_size=6))]
    lakes = list(shapely.get_parts(shapely.union_all(discs)))
    days = draw(st.sampled_from([(0, 0, 0), (0, 0, 1), (0, None, 0), (None, None, 0)]))
    return lakes, [
        seen(lakes, tile, name, acquired=None if day is None else NOON + timedelta(days=day))
        for tile, name, day in zip((WEST, EAST, FAR_EAST), "CAB", days, strict=True)
    ]


@few
@given(scenes(), st.permutations(range(3)))
def test_order_of_the_layers_does_not_matter(world, order):
    _, layers = world
    assert equal(combine_lakes([layers[i] for i in order]), combine_lakes(layers))


@few
@given(scenes())
def test_combining_twice_changes_nothing(world):
    once = combine_lakes(world[1])
    assert equal(combine_lakes([once]), once)


@few
@given(scenes())
def test_names_are_unique_within_a_date_and_rows_sorted(world):
    found = combine_lakes(world[1])
    day = found.acq_datetime.dt.strftime("%Y-%m-%d").fillna("unknown " + found.scene_id)
    keys = list(zip(day, found.lake_id, strict=True))
    assert keys == sorted(set(keys))
    assert found.geometry.is_valid.all()
    assert (found.geom_type == "MultiPolygon").all()


@few
@given(scenes())
def test_every_lake_of_a_date_is_there_with_its_area(world):
    lakes, layers = world
    found = combine_lakes([one.assign(acq_datetime=pd.Timestamp(NOON)) for one in layers])
    frames = [gpd.GeoSeries([frame.segmentize(1000)], crs=crs).to_crs("EPSG:4326") for crs, frame in
              (WEST, EAST, FAR_EAST)]  # fmt: skip
    within = shapely.intersection(shapely.union_all(lakes), shapely.union_all([frame.item() for frame in frames]))
    parts = [part for part in shapely.get_parts(within) if not part.is_empty]
    # A corner that snaps to a grid of 10 m moves by up to 7 m.
    assert found.area_m2.sum() == pytest.approx(area_of(parts), rel=0.02, abs=2000)
    # And where it was, to a pixel or so (in degrees); a piece under the minimum area may be missing.
    for one, other in ((found.union_all(), within), (within, found.union_all())):
        assert shapely.area(one - other.buffer(2e-4)) < 1e-7


@pytest.mark.parametrize("touches_edge", [False, True])
def test_lakes_across_180_lie_on_both_sides_and_span_nothing(touches_edge):
    """Whether one scene shows them whole or they are joined from two."""
    placed = [(180, 66, 900), (179.99, 66.1, 3000), (179.9, 66.2, 700), (-179.9, 66.2, 800)]
    ring = shapely.Point(0, 0).buffer(0.5, quad_segs=90) - shapely.Point(0, 0).buffer(0.1)
    layers = []
    for crs in ("EPSG:32601", "EPSG:32660"):
        shapes = [
            gpd.GeoSeries([affinity.scale(ring, size, size, origin=(0, 0))],
                          crs=f"+proj=laea +lon_0={lon} +lat_0={lat} +datum=WGS84").to_crs(crs).item()
            for lon, lat, size in placed
        ]  # fmt: skip
        layers.append(layer(shapes, crs, scene=f"S2A_{crs[-2:]}", touches_edge=touches_edge))
    lakes = combine_lakes(layers).sort_values("area_m2")
    sizes = np.array(sorted(size for _, _, size in placed))
    assert lakes.area_m2.to_numpy() == pytest.approx(np.pi / 4 * 0.96 * sizes**2, rel=2e-3)
    assert lakes.perim_m.to_numpy() == pytest.approx(np.pi * 1.2 * sizes, rel=5e-3)
    assert [len(shape.geoms) for shape in lakes.geometry] == [1, 1, 2, 2]
    for shape in lakes.geometry:
        assert shape.is_valid and shape.bounds[0] >= -180 and shape.bounds[2] <= 180
        assert all(part.bounds[2] - part.bounds[0] < 0.1 for part in shape.geoms)
