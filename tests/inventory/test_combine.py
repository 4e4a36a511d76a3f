from datetime import UTC, datetime, timedelta

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st

from glofgeo.errors import GlofgeoError
from glofgeo.inventory import COLUMNS, combine_lakes, describe_lakes, write_lakes

few = settings(max_examples=15)

NOON = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
PIXEL = Affine(10, 0, 0, 0, -10, 0)


def layer(outlines, crs="EPSG:32645", *, scene="S2A_X", acquired=NOON, baseline="05.11", **known):
    known = {"prob_mean": 0.9, "prob_p10": 0.6, "valid_frac": 1.0, "touches_edge": False} | known
    shapes = [shapely.multipolygons(shapely.get_parts(outline)) for outline in outlines]
    frame = gpd.GeoDataFrame({"n_px": [round(shape.area / 100) for shape in shapes]}, geometry=shapes, crs=crs)
    frame = frame.assign(**known)
    return describe_lakes(frame, PIXEL, scene_id=scene, acquired=acquired, baseline=baseline)


def equal(one, other):
    assert_geodataframe_equal(one, other, check_like=False)
    return True


square = shapely.box(400_000, 3_050_000, 400_300, 3_050_300)


def moved(shape, x=0.0, y=0.0):
    return shapely.transform(shape, lambda xy: xy + np.array([x, y]))


@few
@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_lakes_that_lie_apart_all_stay(owners):
    shapes = [moved(square, 400 * i) for i in range(len(owners))]
    layers = [layer([s for s, o in zip(shapes, owners, strict=True) if o == n], scene=f"S{n}") for n in range(3)]
    found = combine_lakes(layers)
    assert len(found) == len(owners)
    assert found.area_m2.sum() == pytest.approx(sum(one.area_m2.sum() for one in layers))
    assert found.crs == "EPSG:32645"


def test_neighbours_that_overlap_by_registration_noise_are_two_lakes():
    first, second = layer([square], scene="A"), layer([moved(square, 295)], scene="B")
    assert len(combine_lakes([first, second])) == 2


def test_dates_and_scenes_of_unknown_time_keep_their_lakes():
    again = layer([square], scene="B", acquired=NOON + timedelta(days=5))
    same_day = layer([square], scene="C", acquired=NOON.replace(hour=23))
    unknown = [layer([square], scene=name, acquired=None, baseline=None) for name in "DE"]
    found = combine_lakes([*unknown, again, same_day, layer([square], scene="A")])
    assert list(found.scene_id) == ["A", "B", "D", "E"]
    assert found.lake_id.nunique() == 1
    assert found.proc_baseline.isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ({"valid_frac": 0.9, "n_px": 99}, {"valid_frac": 1.0, "n_px": 9}, "B"),
        ({"valid_frac": 1.0, "n_px": 9}, {"valid_frac": 1.0, "n_px": 99}, "B"),
        ({"valid_frac": 1.0, "n_px": 9}, {"valid_frac": 1.0, "n_px": 9}, "A"),
        ({"touches_edge": True}, {"valid_frac": 0.2}, "B"),
    ],
)
def test_scene_that_shows_a_lake_best_is_kept(first, second, winner):
    layers = [layer([square], scene="A", **first), layer([moved(square, 5, 5)], scene="B", **second)]
    for order in (layers, layers[::-1]):
        assert equal(combine_lakes(order), layers["AB".index(winner)])


def test_lakes_of_one_layer_are_never_joined():
    both = layer([square, moved(square, 150)], touches_edge=True)
    assert equal(combine_lakes([both]), both)


@pytest.mark.parametrize("better", ["one", "two"])
def test_scene_may_show_two_lakes_where_another_shows_one(better):
    two = [shapely.box(0, 0, 140, 300), shapely.box(160, 0, 300, 300)]
    two = layer([moved(part, 400_000, 3_050_000) for part in two], scene="two", valid_frac=0.9 + (better == "two"))
    one = layer([square], scene="one", valid_frac=0.9 + (better == "one"))
    assert set(combine_lakes([one, two]).scene_id) == {better}
    assert len(combine_lakes([one, two])) == (2 if better == "two" else 1)


def test_scene_that_shows_a_bay_does_not_replace_the_lake():
    large = shapely.union_all([square, moved(shapely.box(0, 0, 3000, 3000), 400_200, 3_050_200)])
    bay = layer([square], scene="A")
    found = combine_lakes([bay, layer([large], scene="B", valid_frac=0.5)])
    assert found.scene_id.tolist() == ["B"]
    cut = combine_lakes([bay, layer([large], scene="B", touches_edge=True)])
    assert cut.scene_id.tolist() == ["A + B"]
    assert cut.area_m2.item() >= layer([large]).area_m2.item()


@pytest.mark.parametrize("best", "ABC")
def test_of_a_chain_of_lakes_that_overlap_by_a_fifth_each_stays(best):
    chain = zip("ABC", (-240, 0, 240), strict=True)
    layers = [layer([moved(square, x)], scene=name, valid_frac=0.9 + 0.1 * (name == best)) for name, x in chain]
    found = combine_lakes(layers).set_index("scene_id")
    assert sorted(found.index) == ["A", "B", "C"]
    assert found.area_m2[best] == pytest.approx(layers["ABC".index(best)].area_m2.item())
    assert found.area_m2.sum() == pytest.approx(layer([shapely.box(0, 0, 780, 300)]).area_m2.item(), rel=1e-2)
    assert found.n_px.sum() == pytest.approx(780 * 300 / 100, rel=0.01)
    assert_given_out_once(found.geometry, layers)


def test_a_lake_that_one_scene_shows_whole_stays_beside_a_large_one_that_every_scene_cuts():
    large, small = moved(shapely.box(0, 0, 3000, 3000), 400_000, 3_050_000), moved(square, 3010)
    wide = shapely.union_all([moved(large, y=5), shapely.box(402_900, 3_050_005, 403_049, 3_050_305)])
    assert shapely.area(wide & small) / small.area == pytest.approx(0.13, abs=0.01)
    here = layer([large, small], scene="A").assign(touches_edge=[True, False])
    layers = [here, layer([wide], scene="B", touches_edge=True)]
    found = combine_lakes(layers).set_index("scene_id")
    assert sorted(found.index) == ["A", "A + B"]
    assert found.area_m2["A"] == pytest.approx(here.area_m2[1])
    assert found.touches_edge.to_dict() == {"A": False, "A + B": True}
    assert_given_out_once(found.geometry, layers)


def test_what_is_cut_off_and_no_wider_than_a_pixel_is_no_lake():
    first = layer([square], scene="A")
    # Half over the first and on by 400 m; and over the first's northern shore by less than a pixel.
    beyond = shapely.box(160, 0, 700, 300) | shapely.box(160, 300, 290, 309)
    second = layer([moved(beyond, 400_000, 3_050_000)], scene="B", touches_edge=True)
    found = combine_lakes([first, second]).set_index("scene_id")
    assert sorted(found.index) == ["A", "B"]
    assert found.geometry["B"].equals(shapely.MultiPolygon([moved(shapely.box(300, 0, 700, 300), 400_000, 3_050_000)]))
    narrow = layer([moved(shapely.box(-9, -9, 309, 309), 400_000, 3_050_000)], scene="B", touches_edge=True)
    assert equal(combine_lakes([first, narrow]), first)


def assert_given_out_once(found, layers):
    """No ground twice, and none that no scene calls lake."""
    everything = shapely.union_all(np.concatenate([one.geometry.to_numpy() for one in layers if len(one)]))
    assert found.area.sum() == pytest.approx(found.union_all().area, rel=1e-6)
    assert shapely.area(found.union_all() - everything) < 1e-6 * everything.area


# Up to four scenes of rectangles and discs; what touches within a scene is one lake there.
@st.composite
def shapes_of_scenes(draw):
    place = st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 12)] * 2, st.booleans())

    def shape(x, y, width, height, round_):
        x, y = 400_000 + 50 * x, 3_050_000 + 50 * y
        return shapely.Point(x, y).buffer(25 * width) if round_ else shapely.box(x, y, x + 50 * width, y + 50 * height)

    layers = []
    for name in "ABCD"[: draw(st.integers(1, 4))]:
        lakes = draw(st.lists(place, min_size=1, max_size=8))
        outlines = list(shapely.get_parts(shapely.union_all([shape(*one) for one in lakes])))
        several = {"min_size": len(outlines), "max_size": len(outlines)}
        touches = draw(st.lists(st.booleans(), **several))
        observed = draw(st.lists(st.sampled_from([0.8, 0.9, 1.0]), **several))
        layers.append(layer(outlines, scene=name).assign(touches_edge=touches, valid_frac=observed))
    return layers


@few
@given(shapes_of_scenes(), st.randoms(use_true_random=False))
def test_ground_is_given_out_once_whatever_the_scenes_show_in_any_order(layers, random):
    found = combine_lakes(layers)
    assert_given_out_once(found.geometry, layers)
    assert found.geometry.is_valid.all()
    assert not found.geometry.is_empty.any()
    shuffled = random.sample(layers, len(layers))
    assert equal(combine_lakes(shuffled), found)
    assert equal(combine_lakes(layers[:1]), layers[0].sort_values("lake_id", ignore_index=True))


@few
@given(shapes_of_scenes())
def test_no_lake_that_a_scene_shows_whole_vanishes(layers):
    found = combine_lakes(layers)
    for one in layers:
        scene = one.scene_id.iloc[0]
        others = [outline for other in layers if other is not one for outline in other.geometry]
        own = found.geometry[found.scene_id == scene]
        instead = found.geometry[~found.touches_edge & ~found.scene_id.str.contains(scene)].union_all()
        for lake in one.geometry[~one.touches_edge]:
            is_bay = any(
                shapely.area(lake & outline) >= 0.499 * lake.area
                and shapely.area(one.union_all() & outline) < 0.501 * outline.area
                for outline in others
            )
            # Ribbons along the shores of discs may be missing.
            stays = any(shapely.area(lake & kept) > 0.45 * lake.area and kept.within(lake.buffer(1)) for kept in own)
            assert stays or is_bay or shapely.area(lake & instead) >= 0.499 * lake.area


def test_island_stays_in_a_lake_put_together():
    island = moved(shapely.box(100, 100, 200, 200), 400_000, 3_050_000)
    parts = [square - island, moved(square, 150) - island]
    layers = [layer([part], scene=name, touches_edge=True) for part, name in zip(parts, "AB", strict=True)]
    found = combine_lakes(layers)
    assert found.area_m2.item() == pytest.approx(layer([shapely.union_all(parts)]).area_m2.item())
    assert shapely.get_num_interior_rings(shapely.get_parts(found.geometry.item())).sum() == 1


def test_names_stay_unless_two_lakes_share_one():
    small, large, named = (
        layer([moved(shapely.box(0, 0, 350, 350), 400_000, 3_051_000)], scene="A"),
        layer([moved(shapely.box(0, 0, 400, 400), 400_000, 3_050_000)], scene="B"),
        layer([moved(square, y=2000)], scene="C"),
    )
    small, large = (one.assign(lake_id="GL086925E27898N") for one in (small, large))
    named = named.assign(lake_id="GL086925E27898Na")
    found = combine_lakes([small, large, named]).set_index("scene_id").lake_id.to_dict()
    assert found == {"A": "GL086925E27898Nb", "B": "GL086925E27898N", "C": "GL086925E27898Na"}


def test_columns_and_types_hold_without_lakes_and_from_file(tmp_path):
    some = layer([square], scene="A")
    for found in (combine_lakes([]), combine_lakes([some[:0], some[:0]]), combine_lakes([some, some[:0]])):
        assert list(found.columns) == [*COLUMNS, "geometry"]
        assert (found.dtypes == some.dtypes).all()
    assert combine_lakes([some[:0]]).crs == some.crs
    assert combine_lakes([some[:0], some[:0].to_crs("EPSG:32644")]).crs == "EPSG:4326"

    unknown = layer([square], scene="B", acquired=None, baseline=None)
    layers = [some, some[:0], unknown]
    for i, one in enumerate(layers):
        write_lakes(tmp_path / f"{i}.gpkg", one)
    back = combine_lakes([gpd.read_file(tmp_path / f"{i}.gpkg", layer="lakes") for i in range(3)])
    assert equal(back, combine_lakes(layers))
    write_lakes(tmp_path / "all.gpkg", back)
    assert len(gpd.read_file(tmp_path / "all.gpkg", layer="lakes_points")) == 2


def test_wrong_layers_are_refused():
    one = layer([square], scene="A")
    with pytest.raises(GlofgeoError, match="lacks prob_mean, n_px"):
        combine_lakes([one.drop(columns=["n_px", "prob_mean"])])
    with pytest.raises(GlofgeoError, match="lacks a coordinate reference system"):
        combine_lakes([one.set_crs(None, allow_override=True)])
    with pytest.raises(GlofgeoError, match="scene A occurs in two"):
        combine_lakes([one, one])
