"""The synthetic products: what the rest of the tests, the demo and the benchmarks rely on."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.features import rasterize
from scipy.ndimage import binary_dilation, binary_erosion
from shapely import Point

from datasets_def import open_scene
from datasets_def.synthetic.lakes import coverage
from datasets_def.synthetic.metadata import tile_name
from datasets_def.synthetic.product import write_jp2, write_product
from glofgeo.errors import GlofgeoError

BEFORE = datetime(2023, 10, 16, 4, 57, 1, tzinfo=UTC)
AFTER = datetime(2025, 10, 20, 4, 57, 1, tzinfo=UTC)
SWATH_EDGE_SEED = 1


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return write_product(tmp_path_factory.mktemp("product"), size=515, seed=SWATH_EDGE_SEED)


@pytest.fixture(scope="module")
def two_dates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dates")
    return [write_product(folder, size=600, seed=4, when=when, clouds=0) for when in (BEFORE, AFTER)]


def image(safe: Path, name: str) -> Path:
    (path,) = safe.glob(f"GRANULE/*/IMG_DATA/**/*_{name}.jp2")
    return path


def digits(safe: Path, name: str) -> np.ndarray:
    with rasterio.open(image(safe, name)) as band:
        return band.read(1)


def texts(safe: Path, tag: str, file: str = "MTD_MSIL*.xml") -> list[str]:
    (path,) = [*safe.glob(file), *safe.glob(f"GRANULE/*/{file}")]
    return [element.text for element in ET.parse(path).getroot().iter(tag)]


def test_product_structure(product):
    safe, lakes = product
    assert re.fullmatch(r"S2A_MSIL2A_20241015T045701_N0510_R119_T45RVL_20241015T\d{6}\.SAFE", safe.name)
    assert lakes == safe.with_name(f"{safe.stem}_lakes.gpkg")
    assert sorted(p.name for p in safe.parent.iterdir()) == sorted([safe.name, lakes.name])
    assert texts(safe, "PRODUCT_URI") == [safe.name]
    assert texts(safe, "PROCESSING_BASELINE") == ["05.10"]
    assert texts(safe, "PRODUCT_START_TIME") == ["2024-10-15T04:57:01.000Z"]
    listed = {safe / f"{path}.jp2" for path in texts(safe, "IMAGE_FILE")}
    assert listed == set(safe.glob("GRANULE/*/IMG_DATA/**/*.jp2"))
    manifest = ET.parse(safe / "manifest.safe").getroot()
    named = {e.attrib["href"] for e in manifest.iter("fileLocation")}
    assert all((safe / href).exists() for href in named) and len(named) == 7


def test_grids_of_the_bands(tmp_path):
    safe, _ = write_product(tmp_path, size=101, clouds=0, bands=("B02", "B11", "B01"))
    assert texts(safe, "NROWS", "MTD_TL.xml") == ["101", "51", "17"]
    for name, pixel, side in (("B02_10m", 10, 101), ("B11_20m", 20, 51), ("SCL_20m", 20, 51), ("B01_60m", 60, 17)):
        with rasterio.open(image(safe, name)) as band:
            assert band.shape == (side, side)
            assert band.transform[0] == pixel == -band.transform[4]
            assert f"{band.transform[2]:.0f}" in texts(safe, "ULX", "MTD_TL.xml")
            assert band.transform[2] % 60 == 0 and band.transform[5] % 60 == 0
            assert band.dtypes[0] == ("uint8" if name.startswith("SCL") else "uint16")


@pytest.mark.parametrize(
    ("metres", "tile", "dtype", "bits"),
    [(10, 1024, "uint16", "15"), (20, 640, "uint16", "15"), (60, 192, "uint16", "15"), (20, 640, "uint8", None)],
)
def test_jp2_is_made_as_esa_makes_it(tmp_path, metres, tile, dtype, bits):
    side = 1100
    digits = np.random.default_rng(0).integers(0, 200 if bits is None else 32_768, (side, side)).astype(dtype)
    write_jp2(tmp_path / "folder" / "band.jp2", digits, 32645, Affine(metres, 0, 399_960, 0, -metres, 3_100_020))
    with rasterio.open(tmp_path / "folder" / "band.jp2") as band:
        assert (band.driver, band.crs.to_epsg(), band.dtypes) == ("JP2OpenJPEG", 32645, (dtype,))
        assert band.block_shapes == [(tile, tile)]
        assert band.overviews(1)[:3] == [2, 4, 8]
        assert band.tags(ns="IMAGE_STRUCTURE")["COMPRESSION_REVERSIBILITY"] == "LOSSLESS"
        assert band.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") == bits
        np.testing.assert_array_equal(band.read(1), digits)


@pytest.mark.parametrize(
    ("level", "baseline", "tag"),
    [
        ("L2A", "05.10", "BOA_ADD_OFFSET"),
        ("L2A", "02.14", None),
        ("L1C", "04.00", "RADIO_ADD_OFFSET"),
        ("L1C", "03.01", None),
    ],
)
def test_offsets_by_baseline(tmp_path, level, baseline, tag):
    safe, _ = write_product(tmp_path, size=96, level=level, baseline=baseline)
    found = {t: texts(safe, t) for t in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")}
    assert found.pop(tag, ["-1000"] * 13) == ["-1000"] * 13
    assert not any(found.values())
    quantification = "QUANTIFICATION_VALUE" if level == "L1C" else "BOA_QUANTIFICATION_VALUE"
    assert texts(safe, quantification) == ["10000"]


def test_reflectance_does_not_depend_on_the_baseline(tmp_path):
    old, _ = write_product(tmp_path, size=128, baseline="02.14")
    new, _ = write_product(tmp_path, size=128, baseline="05.10")
    lifted = digits(new, "B03_10m").astype(int) - 1000
    # Before the offset existed, negative reflectance was cut off at DN 1.
    np.testing.assert_array_equal(digits(old, "B03_10m"), np.maximum(lifted, 1))


def test_l1c_layout(tmp_path):
    safe, _ = write_product(tmp_path, size=96, level="L1C", bands=("B02", "B10"))
    assert (safe / "MTD_MSIL1C.xml").exists() and safe.name.startswith("S2A_MSIL1C_")
    images = sorted(p.name for p in safe.glob("GRANULE/L1C_*/IMG_DATA/*"))
    assert images == ["T45RVL_20241015T045701_B02.jp2", "T45RVL_20241015T045701_B10.jp2"]


def test_zero_is_nodata_and_nothing_else(product, two_dates):
    safe, _ = product
    unseen = digits(safe, "B02_10m") == 0
    assert 0.02 < unseen.mean() < 0.5
    for band in ("B03_10m", "B04_10m", "B08_10m"):
        np.testing.assert_array_equal(digits(safe, band) == 0, unseen)
    scl = np.kron(digits(safe, "SCL_20m"), np.ones((2, 2), int))[:515, :515]
    assert (scl[unseen] == 0).all()
    assert (scl[~binary_dilation(unseen, iterations=2)] != 0).all()
    assert (digits(two_dates[0][0], "B08_10m") > 0).all()


def test_polygons_match_pixels(two_dates):
    safe, layer = two_dates[0]
    lakes = gpd.read_file(layer, layer="lakes")
    assert lakes.geometry.is_valid.all()
    np.testing.assert_allclose(lakes.area_m2, lakes.geometry.area)
    with rasterio.open(image(safe, "B08_10m")) as band:
        nir, transform, crs = band.read(1) / 1e4 - 0.1, band.transform, band.crs
    assert lakes.crs == crs
    clear = lakes[lakes.colour.isin(["blue", "black"]) & (lakes.area_m2 > 20_000)]
    assert len(clear)
    inside = rasterize(clear.geometry, nir.shape, transform=transform).astype(bool)
    anywhere = rasterize(lakes.geometry, nir.shape, transform=transform, all_touched=True).astype(bool)
    # Clear water is dark in the near infrared up to the last pixel but one, and the ground beyond is not. Ice floats.
    core = binary_erosion(inside, iterations=2)
    beyond = binary_dilation(inside, iterations=4) & ~binary_dilation(inside, iterations=2) & ~anywhere
    assert np.quantile(nir[core], 0.75) < 0.06
    assert np.quantile(nir[beyond], 0.5) > 0.1


def test_antialiasing_agrees_with_the_polygon(tmp_path):
    polygon = Point(503.0, -417.0).buffer(83.0, 64)
    window, share = coverage(polygon, 200, 1)
    assert share.sum() * 100 == pytest.approx(polygon.area, rel=0.01)
    rows, cols = np.mgrid[window]
    x, y = Affine(10, 0, 0, 0, -10, 0) * (cols + 0.5, rows + 0.5)
    assert np.average(x, weights=share) == pytest.approx(503, abs=0.5)
    assert np.average(y, weights=share) == pytest.approx(-417, abs=0.5)


def test_two_dates_differ_as_promised(two_dates):
    (before, lakes_before), (after, lakes_after) = two_dates
    first, second = (gpd.read_file(p).set_index("lake_id") for p in (lakes_before, lakes_after))
    (gone,) = set(first.index) - set(second.index)
    assert set(second.index) < set(first.index)
    share_smaller = (first.area_m2 < first.area_m2[gone]).mean()
    assert 0.3 < share_smaller < 0.95
    growth = second.area_m2 / first.area_m2.reindex(second.index)
    assert growth.between(0.8, 1.15).all()
    assert growth[second.kind == "proglacial"].min() > 1.03
    assert growth[second.kind == "unconnected"].between(0.999, 1.03).all()
    assert not np.array_equal(digits(before, "SCL_20m"), digits(after, "SCL_20m"))
    with rasterio.open(image(after, "B04_10m")) as band:
        bed = rasterize([first.geometry[gone]], band.shape, transform=band.transform).astype(bool)
        red = band.read(1)
    with rasterio.open(image(before, "B04_10m")) as band:
        assert np.abs(band.read(1)[bed].astype(int) - red[bed].astype(int)).mean() > 50


def test_the_lake_is_there_until_the_day_it_bursts(tmp_path):
    days = (datetime(2024, 12, 31, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    counts = [len(gpd.read_file(write_product(tmp_path, size=256, when=day)[1])) for day in days]
    assert counts[0] - counts[1] == 1


def test_same_arguments_same_pixels(tmp_path):
    (safe_a, lakes_a), (safe_b, lakes_b) = (write_product(tmp_path / name, size=130, seed=9) for name in "ab")
    files = sorted(p.relative_to(safe_a) for p in safe_a.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(safe_b) for p in safe_b.rglob("*") if p.is_file())
    assert all((safe_a / f).read_bytes() == (safe_b / f).read_bytes() for f in files)
    assert gpd.read_file(lakes_a).equals(gpd.read_file(lakes_b))
    other, _ = write_product(tmp_path / "c", size=130, seed=10)
    assert not np.array_equal(digits(safe_a, "B03_10m"), digits(other, "B03_10m"))


def test_writing_again_replaces(tmp_path):
    safe, _ = write_product(tmp_path, size=64)
    (safe / "stray").touch()
    assert write_product(tmp_path, size=64)[0] == safe
    assert not (safe / "stray").exists()


@pytest.mark.parametrize(("lon", "lat", "zone", "epsg"), [(86.925, 27.898, 44, 32644), (-73.0, -50.0, None, 32718)])
def test_zones(tmp_path, lon, lat, zone, epsg):
    safe, layer = write_product(tmp_path, size=64, lon=lon, lat=lat, zone=zone)
    assert texts(safe, "HORIZONTAL_CS_CODE", "MTD_TL.xml") == [f"EPSG:{epsg}"]
    with rasterio.open(image(safe, "B02_10m")) as band:
        assert band.crs.to_epsg() == epsg
        assert texts(safe, "ULX", "MTD_TL.xml")[0] == f"{band.transform[2]:.0f}"
        east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
        row, col = band.index(east, north)
    assert abs(row - 32) <= 4 and abs(col - 32) <= 4
    assert gpd.read_file(layer).crs.to_epsg() == epsg


@pytest.mark.parametrize(
    ("lon", "lat", "epsg", "zone", "tile"),
    [
        (86.925, 27.898, 32645, 45, "45RVL"),
        (-8.3, 52.8, 32629, 29, "29UNU"),
        (91.8, 27.9, 32646, 46, "46RCR"),
        (12.0, 46.5, 32633, 33, "33TTM"),
    ],
)
def test_tile_names_of_known_places(lon, lat, epsg, zone, tile):
    east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    assert tile_name(zone, lat, east, north) == tile


def test_ndwi_fails_and_lakes_are_there(two_dates):
    safe, layer = two_dates[0]
    green, nir = (digits(safe, f"{b}_10m") / 1e4 - 0.1 for b in ("B03", "B08"))
    with rasterio.open(image(safe, "B03_10m")) as band:
        truth = rasterize(gpd.read_file(layer).geometry, band.shape, transform=band.transform).astype(bool)
    said = green > nir
    assert 0.01 < truth.mean() < 0.10
    assert 0.05 < (said & truth).sum() / (said | truth).sum() < 0.45


def test_clouds_cover_what_was_asked(tmp_path):
    cover = {}
    for share in (0.0, 0.4):
        safe, _ = write_product(tmp_path, size=400, clouds=share)
        cover[share] = np.isin(digits(safe, "SCL_20m"), (8, 9, 10)).mean()
    assert cover[0.0] == 0
    assert cover[0.4] == pytest.approx(0.4, abs=0.1)


def test_scene_reads_it(product):
    safe, _ = product
    scene = open_scene(safe)
    assert (scene.shape, scene.baseline) == ((515, 515), "05.10")
    assert scene.datetime == datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
    expected = (digits(safe, "B08_10m").astype(np.float32) - 1000) / 10_000
    seen = digits(safe, "B08_10m") > 0
    np.testing.assert_allclose(scene.read(bands=["B08"])[0][seen], expected[seen], atol=1e-6)
    unobserved = np.isin(np.kron(digits(safe, "SCL_20m"), np.ones((2, 2), int))[:515, :515], (0, 8, 9, 10))
    np.testing.assert_array_equal(scene.valid(), ~unobserved)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bands": ("B99",)}, "B99"),
        ({"bands": ("B10",)}, "B10"),
        ({"size": 63}, "size 63"),
        ({"zone": 61}, "zone 61"),
        ({"clouds": 1.5}, "clouds 1.5"),
        ({"baseline": "5"}, "baseline 5"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(tmp_path, arguments, said):
    with pytest.raises(GlofgeoError, match=said):
        write_product(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
