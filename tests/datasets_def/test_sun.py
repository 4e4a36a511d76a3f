"""Where the sun stood over a scene."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from datasets_def import open_scene
from datasets_def.describe import describe_scene
from datasets_def.sun import scene_sun, sun_position


def test_sun_of_a_real_product(real_data):
    # MTD_TL.xml of T29UNU, sensed on 2022-10-05 at 11:56:49 UTC, states a mean zenith of 57.8 and azimuth of 172.8.
    path = next((real_data / "scenes").glob("*.SAFE"))
    scene = open_scene(path, ("B02",), 60)
    zenith, azimuth = scene_sun(scene)
    assert (zenith, azimuth) == (pytest.approx(57.8, abs=0.1), pytest.approx(172.8, abs=0.1))
    middle = scene.grid.footprint.centroid
    computed = sun_position(middle.x, middle.y, datetime(2022, 10, 5, 11, 56, 49, tzinfo=UTC))
    assert computed == (pytest.approx(zenith, abs=0.1), pytest.approx(azimuth, abs=0.1))


def test_sun_of_a_synthetic_product_is_what_it_states(product):
    scene = open_scene(product[0])
    zenith, azimuth = scene_sun(scene)
    assert 30 < zenith < 60 and 120 < azimuth < 180


def test_sun_of_a_raster_follows_from_its_time(tmp_path, write_raster):
    path = write_raster(tmp_path / "scene.tif", np.full((4, 50, 50), 900, np.uint16))
    scene = open_scene(path)
    assert scene_sun(replace(scene, datetime=None)) is None
    # At the equinox, at noon, the sun stands in the south, as far from the zenith as the place from the equator.
    noon = datetime(2024, 3, 20, 6, 27, tzinfo=UTC)
    zenith, azimuth = scene_sun(replace(scene, datetime=noon))
    assert zenith == pytest.approx(scene.grid.footprint.centroid.y, abs=0.5)
    assert azimuth == pytest.approx(180, abs=3)


def test_a_scene_that_tells_its_day_alone_has_no_sun(tmp_path, write_raster):
    path = write_raster(tmp_path / "lake_2024-10-15_x.tif", np.full((4, 50, 50), 900, np.uint16))
    scene = open_scene(path)
    assert f"{scene.datetime:%Y-%m-%d}" == "2024-10-15"
    assert scene_sun(scene) is None
    assert "acquired     2024-10-15\n" in describe_scene(path)
