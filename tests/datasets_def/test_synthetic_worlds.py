"""Synthetic worlds: the same for the same seed, lakes where the labels say, files that say what was drawn."""

import geopandas as gpd
import numpy as np
import pytest
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt, label

from datasets_def import open_scene
from datasets_def.elevation import Spacing, cast_shadow
from datasets_def.errors import GlofgeoError
from datasets_def.synthetic.worlds import KINDS, draw_sheet, draw_world, plant_lakes, write_world
from datasets_def.synthetic.worlds.materials import MATERIALS
from datasets_def.synthetic.worlds.waters import draw_water
from datasets_def.synthetic.worlds.world import HAZY, WATER

SIZE = 160


@pytest.fixture(scope="module")
def worlds():
    return {kind: [draw_world(kind, seed, SIZE) for seed in range(6)] for kind in KINDS}


def test_the_same_seed_draws_the_same_world_and_another_seed_another():
    one, again, other = (draw_world("alps", seed, SIZE) for seed in (3, 3, 4))
    assert np.array_equal(one.reflectance, again.reflectance)
    assert np.array_equal(one.lake, again.lake)
    assert not np.allclose(one.reflectance, other.reflectance)


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_of_each_kind_are_plausible_reflectance_with_lakes_in_some_of_them(worlds, kind):
    for world in worlds[kind]:
        assert world.reflectance.shape == (4, SIZE, SIZE)
        assert world.reflectance.dtype == np.float32
        assert np.isfinite(world.reflectance).all()
        assert world.reflectance.min() > -0.1
        assert world.reflectance.max() < 3
        assert 10 <= world.pixel_m <= 30
        assert world.lake.mean() < 0.9
        # No frame from resampling: the rim is as bright as what lies beside it.
        rim, beside = world.reflectance[:, -1].mean(), world.reflectance[:, -4:-1].mean()
        assert abs(rim - beside) < 0.05 + 0.3 * beside
    assert any(world.lake.any() for world in worlds[kind])


def test_images_of_one_surface_are_all_lake_or_all_land_under_their_clouds():
    sheets = [draw_sheet(seed, SIZE) for seed in range(24)]
    wet = [sheet.lake.any() for sheet in sheets]
    assert any(wet) and not all(wet)
    for sheet, lake in zip(sheets, wet, strict=True):
        assert sheet.reflectance.dtype == np.float32
        assert sheet.reflectance.min() > -0.1 and sheet.reflectance.max() < 3
        # Cloud hides lake, and covers less than half of an image.
        assert sheet.lake.mean() > 0.5 if lake else not sheet.lake.any()
    assert np.array_equal(draw_sheet(3, SIZE).reflectance, sheets[3].reflectance)


def test_lakes_stand_out_from_land_in_the_near_infrared(worlds):
    compared = 0
    for many in worlds.values():
        nir = np.concatenate([world.reflectance[3].ravel() for world in many])
        lit = np.concatenate([(world.light > 0.6).ravel() for world in many])
        water = np.concatenate([(world.cover == WATER).ravel() for world in many])
        if (water & lit).sum() > 200:
            compared += 1
            assert np.median(nir[water & lit]) < np.median(nir[~water & lit])
    assert compared >= len(KINDS) // 2


def test_the_height_throws_the_shadows_of_the_image(worlds):
    compared = 0
    for world in [*worlds["debris"], *worlds["alps"]]:
        pixel = Spacing(world.pixel_m, world.pixel_m)
        shadow, land = cast_shadow(world.height, pixel, *world.sun), world.cover != WATER
        if (shadow & land).sum() > 200:
            compared += 1
            assert world.light[shadow & land].mean() < 0.3 * world.light[~shadow & land].mean()
    assert compared >= 3


def test_snow_comes_down_farther_on_slopes_that_face_away_from_the_sun():
    ids = [list(MATERIALS).index(name) for name in ("snow", "old snow")]
    farther = []
    for seed in range(20):
        world = draw_world("icefield", seed, SIZE)
        snow = np.isin(world.cover, ids)
        rising, _ = np.gradient(world.height)
        away = -np.cos(np.radians(world.sun[1])) * rising
        steps = np.digitize(world.height, np.quantile(world.height, np.linspace(0.1, 0.9, 9)))
        for step in range(10):
            sides = [snow[(steps == step) & side] for side in (away > 0, away < 0)]
            if min(map(len, sides)) > 200 and 0.1 < np.concatenate(sides).mean() < 0.9:
                farther.append(sides[0].mean() > sides[1].mean())
    assert len(farther) > 20
    assert np.mean(farther) > 0.65


def test_shadow_is_darker_and_bluer_than_light_on_the_same_snow(worlds):
    snow = [list(MATERIALS).index(name) for name in ("snow", "old snow")]
    drawn = [world for many in worlds.values() for world in many]
    bright, shaded = [], []
    for world in drawn:
        ground = np.isin(world.cover, snow)
        bright.append(world.reflectance[:, ground & (world.light > 0.7)])
        shaded.append(world.reflectance[:, ground & (world.light < 0.1)])
    bright, shaded = np.concatenate(bright, axis=1), np.concatenate(shaded, axis=1)
    assert shaded.shape[1] > 100
    assert (np.median(shaded, axis=1) < np.median(bright, axis=1)).all()
    assert np.median(shaded[0] / shaded[3]) > np.median(bright[0] / bright[3])


def test_no_lake_is_smaller_than_three_pixels_unless_cloud_hides_a_part(worlds):
    cloudless = [world for many in worlds.values() for world in many if (world.cover != HAZY).all()]
    assert sum(world.lake.any() for world in cloudless) > 10
    for world in cloudless:
        number, _ = label(world.lake, np.ones((3, 3)))
        assert (np.bincount(number.ravel())[1:] >= 3).all()


def test_clear_water_is_dark_and_milk_is_bright():
    rng = np.random.default_rng(0)
    clear = np.array([draw_water(rng, 1.0).deep for _ in range(200)])
    milky = np.array([draw_water(rng, 0.0).deep for _ in range(200)])
    assert np.median(clear[:, 3]) < 0.03
    assert np.median(milky[:, 1]) > 0.1
    # Water swallows red and infrared: whatever floats in it, most lakes are darkest there.
    assert (milky[:, 3] < milky[:, 2]).mean() > 0.8


@pytest.mark.parametrize("declared", [None, 10.0])
def test_files_hold_what_was_drawn(tmp_path, declared):
    seed = next(
        s for s in range(50) if draw_world("plateau", s, 96).pixel_m > 11 and draw_world("plateau", s, 96).lake.any()
    )
    world = draw_world("plateau", seed, 96)
    path, lakes = write_world(tmp_path, "plateau", seed, 96, declared_m=declared)
    scene = open_scene(path)
    assert scene.transform.a == pytest.approx(declared or world.pixel_m)
    assert np.abs(scene.read() - np.clip(world.reflectance, -0.0999, None)).max() < 6e-5
    outlines = gpd.read_file(lakes, layer="lakes").to_crs(scene.crs).geometry
    assert np.array_equal(rasterize(outlines, scene.shape, transform=scene.transform) == 1, world.lake)


def test_two_worlds_do_not_lie_on_one_spot(tmp_path):
    spots = set()
    for kind in list(KINDS)[:3]:
        for seed in (0, 1, 900_002):
            spots.add(tuple(open_scene(write_world(tmp_path, kind, seed, 64)[0]).grid.bounds[:2]))
    assert len(spots) == 9


def test_an_unknown_kind_is_named():
    with pytest.raises(GlofgeoError, match="moon: no kind of world"):
        draw_world("moon", 0)


def test_planted_lakes_are_dark_in_the_infrared_and_leave_the_rest_of_the_image_alone():
    rng = np.random.default_rng(0)
    real = (0.2 + 0.01 * rng.standard_normal((4, 96, 96))).astype(np.float32)
    real[:, :, :4] = np.nan
    pond = np.zeros((96, 96), bool)
    pond[40:44, 60:70] = True
    image, lake = plant_lakes(rng, real, pond, 5)
    planted = lake & ~pond
    assert lake[pond].all()
    assert planted.sum() > 20
    assert np.median(image[3, planted]) < 0.15
    far = distance_transform_edt(~planted) > 6
    # Most of a lake may lie where nothing was seen.
    far[:, :10] = False
    assert np.array_equal(image[:, far], real[:, far], equal_nan=True)
    assert not lake[:, :4].any()
