import dataclasses

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from datasets_def import open_scene
from datasets_def.grid import Grid
from glofgeo.mapping import overview
from glofgeo.mapping.overview import Backdrop, _pixel_size, caption, write_overview
from glofgeo.report.pictures import true_colour

UTM = (Affine(100, 0, 480_000, 0, -100, 3_100_000), CRS.from_epsg(32645))
DEGREES = (Affine(1e-3, 0, 86.9, 0, -1e-3, 60.0), CRS.from_epsg(4326))
# Pixels of the picture above the map, and left of it; right of it; below it.
HEAD, LEFT, RIGHT, BELOW = 124, 60, 24, 60
LAKE = np.array([25, 240, 255])


def draw(
    path,
    grid=UTM,
    shape=(300, 400),
    with_lake=True,
    hidden=False,
    title="S2A_MSIL2A_20231012T045701",
    rgb=None,
    note="",
):
    transform, crs = grid
    (x0, y0), (x1, y1) = transform * (shape[1] * 0.3, shape[0] * 0.3), transform * (shape[1] * 0.6, shape[0] * 0.6)
    geometry = [shapely.box(x0, y1, x1, y0)] if with_lake else []
    lakes = gpd.GeoDataFrame(
        {"lake_id": ["GL086925E27898N"] * len(geometry), "area_m2": [1.25e6] * len(geometry)},
        geometry=geometry, crs=crs,
    )  # fmt: skip
    if rgb is None:
        rgb = np.full((*shape, 3), (120, 100, 80), np.uint8)
    backdrop = Backdrop(rgb, np.full(shape, hidden), Grid(shape, transform, crs))
    write_overview(path, backdrop, lakes, title, "Sentinel-2A L2A, 12 October 2023, 04:57 UTC", note)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def share(picture, colour, tolerance=30):
    return (np.abs(picture - colour).max(axis=-1) < tolerance).mean()


@pytest.mark.parametrize("grid", [UTM, DEGREES])
def test_lakes_are_outlined_where_they_lie(tmp_path, grid):
    with_lake = draw(tmp_path / "a.png", grid)
    without = draw(tmp_path / "b.png", grid, with_lake=False)
    rows, columns = np.nonzero(np.abs(with_lake - LAKE).max(axis=-1) < 60)
    # The legend's sample line is in both pictures; the lake's box lies in the upper left two thirds.
    side = with_lake.shape[0] - HEAD - BELOW, with_lake.shape[1] - LEFT - RIGHT
    box = (rows < HEAD + 0.65 * side[0]) & (columns < LEFT + 0.65 * side[1])
    assert rows[box].min() == pytest.approx(HEAD + 0.3 * side[0], abs=5)
    assert rows[box].max() == pytest.approx(HEAD + 0.6 * side[0], abs=5)
    assert columns[box].min() == pytest.approx(LEFT + 0.3 * side[1], abs=5)
    assert columns[box].max() == pytest.approx(LEFT + 0.6 * side[1], abs=5)
    assert share(with_lake, LAKE, 60) > share(without, LAKE, 60)


def test_outlines_keep_their_colour_over_a_colourful_scene(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 200, (300, 400, 3), np.uint8)
    rgb[..., 2] //= 2
    assert (
        share(draw(tmp_path / "a.png", rgb=rgb), LAKE, 10)
        > share(draw(tmp_path / "b.png", rgb=rgb // 2, with_lake=False), LAKE, 10)
        > 0
    )


def test_not_observed_is_grey_and_not_the_colour_of_land(tmp_path):
    assert share(draw(tmp_path / "a.png", hidden=True), (163, 161, 163)) > 0.5
    assert share(draw(tmp_path / "b.png", hidden=False), (163, 161, 163)) < 0.1


@pytest.mark.parametrize("shape", [(60, 60), (1000, 900), (900, 90), (90, 900)])
def test_picture_stays_small_whatever_the_scene(tmp_path, shape):
    picture = draw(tmp_path / "overview.png", shape=shape, title="a title of a hundred letters " * 4)
    assert max(picture.shape) < 1900
    assert (tmp_path / "overview.png").stat().st_size < 500_000
    assert [path.name for path in tmp_path.iterdir()] == ["overview.png"]


def test_a_note_is_seen_and_a_name_with_a_formula_is_drawn(tmp_path):
    plain = draw(tmp_path / "a.png", title="$x_{$ \\frac [b]")
    noted = draw(tmp_path / "b.png", with_lake=False, note="clouds are not masked")
    assert noted.shape[0] == plain.shape[0] + 40
    assert share(noted[:HEAD], (163, 39, 27), 40) > 5e-4 > share(plain[:HEAD], (163, 39, 27), 40)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_name_that_the_font_cannot_write_is_no_warning(tmp_path):
    draw(tmp_path / "a.png", title="氷河湖")


def test_pixels_are_measured_on_the_ground():
    across, down = _pixel_size(Grid((300, 400), *UTM))
    assert (across, down) == pytest.approx((100, 100), rel=2e-3)
    # Source: a degree is 111.412 km of latitude and 55.800 km of longitude at 60 degrees north on WGS 84.
    across, down = _pixel_size(Grid((2, 2), *DEGREES))
    assert (across, down) == pytest.approx((55.80, 111.41), rel=1e-3)


def test_equal_maps_give_equal_pictures(tmp_path):
    draw(tmp_path / "a.png", hidden=True)
    draw(tmp_path / "b.png", hidden=True)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_true_colour_keeps_order_and_hue_in_scenes_with_and_without_snow():
    rock = np.full((3, 50, 50), 0.12, np.float32) * np.array([1.2, 1.0, 0.8], np.float32)[:, None, None]
    snowy = rock.copy()
    snowy[:, :25] = 0.95
    for scene, brightest in ((rock, 230), (snowy, 255)):
        picture = true_colour(scene)
        assert picture.shape == (50, 50, 3)
        assert picture.dtype == np.uint8
        red, green, blue = (int(v) for v in picture[-1, -1])
        assert brightest >= red > green > blue > 40
    assert (true_colour(snowy)[0, 0] == 255).all()


def test_true_colour_is_black_where_nothing_is_known():
    scene = np.full((3, 10, 10), 0.3, np.float32)
    scene[1, :5] = np.nan
    picture = true_colour(scene)
    assert (picture[:5] == 0).all()
    assert (picture[5:] > 0).all()
    assert (true_colour(np.full((3, 4, 4), np.nan, np.float32)) == 0).all()


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The figure of a map of 40 km by 30 km with one lake, before it becomes pixels."""
    kept = []
    monkeypatch.setattr(overview, "_save", lambda figure, page, path: kept.append(figure))
    monkeypatch.setattr(Image, "open", lambda path: Image.new("RGB", (1, 1)))
    draw(tmp_path / "a.png")
    return kept[0]


def test_the_bar_is_as_long_on_the_map_as_it_says(tmp_path):
    """On a white map the bar is the only black between its frame and the border."""
    picture = draw(tmp_path / "a.png", with_lake=False, rgb=np.full((300, 400, 3), 255, np.uint8))
    low, left = picture.shape[0] - BELOW - 150, LEFT + 20
    rows = (picture[low : low + 140, left : left + 500].max(axis=-1) < 40).sum(axis=1)
    # 40 km are 1600 pixels of the picture, and the bar of 5 km is a fifth of that at most.
    assert rows.max() == pytest.approx(1600 * 5 / 40, abs=3)


def test_the_head_tells_sensor_date_and_how_many_lakes_and_how_large_all_are(drawn):
    assert [text.get_text() for text in drawn.texts] == [
        "S2A_MSIL2A_20231012T045701",
        "Sentinel-2A L2A, 12 October 2023, 04:57 UTC: 1 lake, 1.25 km² in all",
    ]


def test_the_caption_says_what_it_knows(product):
    scene = open_scene(product[0])
    known = scene.datetime
    assert caption(scene) == f"Sentinel-2A L2A, {known.day} {known:%B %Y, %H:%M} UTC"
    assert caption(dataclasses.replace(scene, id="four", level=None, datetime=None)) == "Sentinel-2, date not known"


def test_coordinates_stand_at_the_edges(drawn):
    axes = drawn.axes[0]
    below, beside = (
        [label.get_text() for label in labels] for labels in (axes.get_xticklabels(), axes.get_yticklabels())
    )
    assert below == ["86.8° E", "86.9° E", "87.0° E", "87.1° E", "87.2° E"]
    assert beside == ["28.00° N", "27.95° N", "27.90° N", "27.85° N", "27.80° N"]


def test_the_largest_lakes_are_named_and_no_name_covers_another(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(overview, "_save", lambda figure, page, path: kept.append(figure))
    side = np.array([900.0, 3000, 2900, 2800, 400])
    left = 480_000 + np.array([2000, 15_000, 15_500, 2000, 39_400.0])
    top = 3_100_000 - np.array([2000, 10_000, 10_500, 20_000, 10_000.0])
    lakes = gpd.GeoDataFrame(
        {"lake_id": [f"GL{n}" for n in range(5)], "area_m2": side**2},
        geometry=shapely.box(left, top - side, left + side, top), crs=UTM[1],
    )  # fmt: skip
    backdrop = Backdrop(np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400), bool), Grid((300, 400), *UTM))
    write_overview(tmp_path / "a.png", backdrop, lakes, "title")
    names = {text.get_text().split("\n")[0]: text for text in kept[0].axes[0].texts}
    assert list(names) == ["GL1", "GL3", "GL0", "GL4"]
    assert names["GL1"].get_text() == "GL1\n9 km²"
    assert (names["GL1"].get_ha(), names["GL4"].get_ha()) == ("left", "right")


def test_the_brightest_hundredth_is_white_and_what_is_half_as_bright_is_not():
    ramp = np.broadcast_to(np.linspace(0, 0.6, 1000, dtype=np.float32), (3, 10, 1000))
    grey = true_colour(ramp)[0, :, 0].astype(int)
    assert (grey[985:] == 255).all() and (grey[:5] < 10).all()
    assert grey[500] == pytest.approx(255 * 0.5**0.6, abs=5)
    assert (np.diff(grey) >= 0).all()
