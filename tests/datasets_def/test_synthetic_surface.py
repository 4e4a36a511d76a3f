"""Light, air and season of the synthetic products go the way of the real ones."""

from datetime import UTC, datetime

import numpy as np
import pytest

from datasets_def import open_scene
from datasets_def.synthetic.lakes import Lake
from datasets_def.synthetic.product import write_product
from datasets_def.synthetic.surface import View, _clouds, reflectance
from datasets_def.synthetic.terrain import sunlight


@pytest.mark.parametrize(("azimuth", "rows", "cols"), [(90, 0, -140), (180, -140, 0), (0, 140, 0), (270, 0, 140)])
def test_clouds_throw_their_shadow_away_from_the_sun(azimuth, rows, cols):
    """At 45 degrees, a cloud 1400 m up throws it 140 pixels away; rows run south and columns east."""
    opacity, shadow = _clouds(np.random.default_rng(1), 320, (45.0, azimuth), 0.5)
    inner = np.s_[150:170, 150:170]
    moved = np.roll(opacity, (rows, cols), (0, 1))
    assert opacity.std() > 0.1 and not np.allclose(moved[inner], opacity[inner], atol=0.05)
    np.testing.assert_allclose(shadow[inner], 0.85 * moved[inner], atol=1e-6)


@pytest.mark.parametrize(("azimuth", "down", "right"), [(180, 1, 0), (0, -1, 0), (90, 0, 1), (270, 0, -1)])
def test_slopes_that_face_the_sun_are_brighter_than_flat_ground_and_the_others_darker(azimuth, down, right):
    row, col = np.indices((20, 20), np.float32)
    facing = -3 * (down * row + right * col)  # falls away towards the sun, by 3 m a pixel of 10 m
    for height, sign in ((facing, 1), (-facing, -1)):
        direct, _ = sunlight(height, 40.0, azimuth)
        assert (sign * (direct[5:15, 5:15] - 1) > 0.1).all()


def test_light_in_the_shade_is_bluer_than_in_the_sun():
    half, full = np.zeros((8, 8), np.float16), np.ones((8, 8), np.float16)
    lake = Lake("x", "unconnected", "blue", (0.1,) * 4, 0, 0, np.zeros((0, 2)), 0, False, 1, False)
    direct = full.copy()
    direct[:, 4:] = 0
    view = View(
        layers={"old snow": half, "ice": half}, texture=full, tint=half, lakes=[lake], lake=np.zeros((8, 8), np.int16),
        water=half, sheet=half, direct=direct, cloud=half, cloud_shadow=half,
    )  # fmt: skip
    shade = []
    for band in ("B02", "B03", "B04", "B08", "B11", "B12"):
        rho = reflectance(view, band, toa=False)
        shade.append(rho[4, 7] / rho[4, 0])
    assert shade == sorted(shade, reverse=True) and 0.1 < shade[0] < 0.25


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """One place without clouds in February, in August, and in August seen through the air."""
    folder, days = tmp_path_factory.mktemp("seasons"), [datetime(2024, month, 15, tzinfo=UTC) for month in (2, 8, 8)]
    return [
        open_scene(
            write_product(folder / f"{k}", size=200, seed=4, when=day, clouds=0, level=("L2A", "L2A", "L1C")[k])[0]
        )
        for k, day in enumerate(days)
    ]


def test_there_is_more_snow_in_winter_than_in_summer(products):
    winter, summer = ((scene.classes() == 11).mean() for scene in products[:2])
    assert winter > summer + 0.1


def test_the_air_brightens_blue_most_and_infrared_least(products):
    ground, above = (scene.read() for scene in products[1:])
    dark = ground.max(axis=0) < 0.3
    blue, green, red, infrared = (np.median((above - ground)[band][dark]) for band in range(4))
    assert blue > green > red > infrared and blue > 0.03
