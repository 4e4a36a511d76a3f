"""Of what catalogues list, one scene of each acquisition is kept, and the best of each season."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from glofgeo.fetch.catalogs import KNOWN, Catalog, find_catalogs
from glofgeo.fetch.choose import best, by_season, fill_gaps, likely, needed_tiles, newest
from glofgeo.fetch.plan import Chosen, gaps
from glofgeo.fetch.query import Query
from glofgeo.fetch.rank import Seen, seen_in
from glofgeo.fetch.scene_files import SceneFiles
from glofgeo.fetch.search import Found

TILE = box(86, 27, 87, 28)


def scene(day="2024-10-15", *, tile="45RVL", baseline="05.10", made="083000", geometry=TILE, cloud=5.0, snow=10.0,
          platform="sentinel-2a", named=True, catalog="earth-search"):  # fmt: skip
    start = datetime.fromisoformat(f"{day}T04:57:01").replace(tzinfo=UTC)
    letter = platform[-1].upper()
    name = f"S2{letter}_MSIL2A_{start:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_R119_T{tile}_{start:%Y%m%d}T{made}"
    item = SimpleNamespace(
        product_uri=f"{name}.SAFE" if named else None, id=name, tile=tile, baseline=baseline, geometry=geometry,
        cloud=cloud, snow=snow, platform=platform, datetime=start.replace(second=9),
        datatake_start=start if named else None,
    )  # fmt: skip
    return Found(item, {"properties": {}}, Catalog(catalog, "", ""))


def test_the_highest_baseline_is_kept_then_the_latest_processing():
    scenes = [scene(baseline="04.00", made="235959"), scene(baseline="05.11", made="070000"),
              scene(baseline="05.11", made="080000"), scene(baseline="05.10", made="090000")]  # fmt: skip
    assert newest(scenes) == [scenes[2]]


def test_what_is_other_ground_or_another_pass_is_kept():
    north, south = box(86, 27.49, 87, 28), box(86, 27, 87, 27.5)
    scenes = [scene(geometry=north), scene(geometry=south, made="083100"), scene(platform="sentinel-2b"),
              scene(tile="45RUL"), scene("2024-10-25")]  # fmt: skip
    assert len(newest(scenes)) == 5


def test_later_catalogues_fill_gaps_only():
    first = [scene("2024-10-15", baseline="05.00"), scene("2024-10-25")]
    second = [scene("2024-10-15", baseline="05.11", catalog="cdse"), scene("2024-11-04", catalog="cdse")]
    assert [(one.item.datetime.day, one.catalog.name) for one in fill_gaps([first, second])] == [
        (15, "earth-search"), (25, "earth-search"), (4, "cdse"),
    ]  # fmt: skip


def test_the_same_acquisition_is_known_without_a_product_name():
    assert len(newest([scene(named=False), scene(named=False, baseline="05.11")])) == 1


@given(st.permutations(range(6)))
def test_the_order_of_an_answer_changes_nothing(order):
    scenes = [
        scene(f"2024-10-{day}", baseline=baseline) for day in (15, 20) for baseline in ("04.00", "05.10", "05.11")
    ]
    shuffled = [scenes[i] for i in order]
    assert [one.name for one in fill_gaps([shuffled])] == [one.name for one in fill_gaps([scenes])]
    assert [one.name for one in likely(shuffled, 3)] == [one.name for one in likely(scenes, 3)]


def test_tiles_that_only_repeat_others_are_not_needed():
    left, right, both = box(86, 27, 87, 28), box(86.9, 27, 88, 28), box(86.3, 27, 87.6, 28)
    scenes = [
        scene(tile="45RVL", geometry=left),
        scene(tile="45RWL", geometry=right),
        scene(tile="45RXL", geometry=both),
    ]
    assert needed_tiles(scenes, box(86.4, 27.2, 87.5, 27.8)) == ["45RXL"]
    assert set(needed_tiles(scenes, box(86.1, 27.2, 87.9, 27.8))) >= {"45RVL", "45RWL"}
    assert needed_tiles([], TILE) == []


def test_parts_of_a_tile_by_two_orbits_count_together():
    scenes = [scene(geometry=box(86, 27, 86.5, 28)), scene("2024-10-18", geometry=box(86.4, 27, 87, 28))]
    assert needed_tiles(scenes, TILE) == ["45RVL"]


def test_no_tile_of_a_large_area_is_dropped_for_being_a_small_share_of_it():
    grid = {(x, y): box(60 + x, 25 + 0.9 * y, 61.1 + x, 26 + 0.9 * y) for x in range(32) for y in range(32)}
    scenes = [scene(tile=f"{x:02d}{y:02d}", geometry=ground) for (x, y), ground in grid.items()]
    area = box(60, 25, 91.05, 53.85)
    needed = needed_tiles(scenes, area)
    shown = shapely.union_all([one.item.geometry for one in scenes if one.item.tile in needed])
    assert area.difference(shown).is_empty


def test_a_small_polygon_and_a_lake_keep_the_only_tile_that_shows_them():
    large, small, lake = box(80, 27, 84, 29), box(86.9, 27.91, 86.91, 27.92), box(84.001, 28, 84.002, 28.001)
    scenes = [
        scene(tile="44RKS", geometry=box(80, 27, 84, 29)),
        scene(tile="44RLS", geometry=box(83.9, 27, 84.5, 29)),
        scene(tile="45RVL", geometry=TILE),
        scene(tile="45RVM", geometry=box(86.909, 27, 88, 28)),
    ]
    area = shapely.union_all([large, small, lake])
    assert needed_tiles(scenes[:1] + scenes[2:], area) == ["44RKS", "45RVL"]
    assert needed_tiles(scenes, large.union(small), [lake]) == ["44RKS", "45RVL", "44RLS"]
    assert needed_tiles(scenes, large.union(small)) == ["44RKS", "45RVL"]
    assert needed_tiles(scenes[3:], small) == ["45RVM"]


def test_footprints_that_touch_in_lines_and_points_are_no_trouble():
    area = shapely.union_all([box(86, 27, 87, 28), box(88, 27, 89, 28), box(87, 26, 88, 27)])
    scenes = [scene(tile="45RVL", geometry=box(86, 27, 88, 28)), scene(tile="45RWL", geometry=box(87, 26, 89, 28))]
    assert sorted(needed_tiles(scenes, area)) == ["45RVL", "45RWL"]


def test_seasons_are_by_tile_and_year():
    scenes = [scene("2023-11-20"), scene("2024-01-05"), scene("2024-11-20"), scene("2024-11-21", tile="45RUL")]
    groups = by_season(scenes, (11, 12, 1))
    assert {key: len(group) for key, group in groups.items()} == {
        ("45RUL", 2024): 1, ("45RVL", 2023): 2, ("45RVL", 2024): 1,
    }  # fmt: skip


def test_the_lakes_decide_and_not_the_tile():
    clear_tile, clear_lakes, snowy = scene("2024-10-10", cloud=1), scene("2024-10-15", cloud=19), scene("2024-10-20")
    seen = {clear_tile.name: Seen(0.4, 0), clear_lakes.name: Seen(0.98, 0.1), snowy.name: Seen(1.0, 0.8)}
    assert best([clear_tile, snowy, clear_lakes], seen, 3) == [clear_lakes, snowy, clear_tile]


def test_what_is_seen_is_counted_by_class():
    classes = np.array([6, 6, 11, 3, 9, 8, 10, 0], np.uint8)
    assert seen_in(classes) == Seen(0.5, 0.25)
    assert seen_in(classes[:0]) == Seen(0, 0)


def test_catalogues_by_name_and_address():
    found = find_catalogs("cdse, https://stac.example/v1/,https://stac.example/v1/collections/s2")
    assert found[0] is KNOWN["cdse"]
    assert (found[1].url, found[1].collection) == ("https://stac.example/v1", "sentinel-2-l2a")
    assert (found[2].url, found[2].collection) == ("https://stac.example/v1", "s2")


@pytest.mark.parametrize("end", ["", "/collections/s2"])
def test_a_password_in_an_address_is_used_and_not_shown(end):
    (catalog,) = find_catalogs(f"https://me:secret@stac.example/v1{end}")
    assert catalog.url == "https://me:secret@stac.example/v1"
    assert catalog.name == f"https://stac.example/v1{end}"


@pytest.mark.parametrize("text", ["", "earthsearch", "ftp://x", "https://"])
def test_other_catalogues_are_refused(text):
    from glofgeo.errors import GlofgeoError

    with pytest.raises(GlofgeoError, match="catalogue"):
        find_catalogs(text)


def test_a_part_of_the_area_without_any_scene_is_told():
    query = Query(box(86, 27, 88, 28), date(2024, 9, 1), date(2024, 11, 30), (9, 10, 11), 20)
    chosen = [Chosen(SceneFiles(scene("2024-10-05"), {}), Seen(1, 0), False)]
    assert gaps(query, [scene("2024-10-05")], chosen) == [
        "10,967 of 21,934 km² of the area: no scene; allow more cloud or more days"
    ]


def test_what_no_scene_covers_of_a_large_area_is_told_also_where_it_is_a_small_share():
    query = Query(box(60, 27, 105, 46), date(2024, 9, 1), date(2024, 11, 30), (9, 10, 11), 20)
    chosen = [Chosen(SceneFiles(scene(geometry=box(60, 27, 104.7, 46)), {}), Seen(1, 0), False)]
    assert [line.partition(":")[0] for line in gaps(query, [], chosen)] == ["56,394 of 8,459,097 km² of the area"]
    whole = [Chosen(SceneFiles(scene(geometry=box(60, 27, 104.99999, 46)), {}), Seen(1, 0), False)]
    assert gaps(query, [], whole) == []


def test_a_season_without_a_scene_is_told():
    query = Query(TILE, date(2022, 9, 1), date(2024, 11, 30), (9, 10, 11), 20)
    scenes = [scene("2022-10-05"), scene("2024-10-05"), scene("2024-10-05", tile="45RUL")]
    chosen = [Chosen(SceneFiles(one, {}), Seen(1, 0), False) for one in scenes]
    assert [line.partition(":")[0] for line in gaps(query, scenes, chosen)] == [
        "45RUL, 2022", "45RUL, 2023", "45RVL, 2023",
    ]  # fmt: skip
