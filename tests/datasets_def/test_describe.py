import re

import numpy as np
import pytest

from datasets_def.describe import describe_scene
from datasets_def.synthetic.product import write_product


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return write_product(tmp_path_factory.mktemp("described"), size=96, bands=("B02", "B03", "B8A"))[0]


def lines(path):
    return dict(re.split(r"  +", line, maxsplit=1) for line in describe_scene(path).splitlines())


def test_values_carry_their_units(product):
    found = lines(product)
    assert found["acquired"] == "2024-10-15 04:57:01 UTC"
    assert found["grid"] == "96 rows x 96 columns, pixels of 10 m, EPSG:32645"
    assert found["bands"] == "B02, B03 at 10 m; B8A at 20 m"
    assert found["reflectance"].startswith("(DN -1000) / 10000")


def test_a_missing_band_says_why(product):
    image = next(product.rglob("*_B03_10m.jp2"))
    content = image.read_bytes()
    image.unlink()
    try:
        missing = lines(product)["missing"]
    finally:
        image.write_bytes(content)
    assert "B03 (listed in the product's metadata, but the file is not there" in missing
    assert re.search(r"B04, .*B08, .*\(the product does not list", missing)
    assert "B10 (Level-2A products have no cirrus band)" in missing


def test_pixels_in_degrees_are_whole_and_given_in_metres_too(tmp_path, write_raster):
    dn = np.random.default_rng(0).integers(900, 4000, (4, 32, 32)).astype(np.uint16)
    path = write_raster(tmp_path / "a.tif", dn, crs="EPSG:4326", origin=(86.9, 27.9), pixel=0.0000898315)
    found = lines(path)
    assert "pixels of 8.98315e-05 degrees (9.38 m on the ground), EPSG:4326" in found["grid"]
    assert found["acquired"] == "unknown" and "clouds count as observed" in found["cloud mask"]
