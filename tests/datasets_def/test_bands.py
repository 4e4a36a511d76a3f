"""The band table against the Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD)."""

import re

import numpy as np
import rasterio

from datasets_def import open_scene
from datasets_def.bands import BANDS
from datasets_def.synthetic import product
from datasets_def.synthetic.product import write_product

# `band_id` of the metadata counts the bands by wavelength: the narrow infrared stands between B08 and B09.
IDS = dict(enumerate(["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]))
FINE, COARSE = {"B02", "B03", "B04", "B08"}, {"B01", "B09", "B10"}


def test_ids_and_resolutions_are_those_of_the_specification():
    assert {band.band_id: name for name, band in BANDS.items()} == IDS
    assert all(name == band.name for name, band in BANDS.items())
    wavelengths = [band.wavelength for band in BANDS.values()]
    assert wavelengths == sorted(wavelengths)
    for name, band in BANDS.items():
        assert band.resolution == (10 if name in FINE else 60 if name in COARSE else 20)


def test_each_band_gets_the_offset_of_its_own_id(tmp_path, monkeypatch):
    plain = product.product_xml

    def offsets_by_band(product):
        tag = r'(<BOA_ADD_OFFSET band_id="(\d+)">)[^<]*'
        text, count = re.subn(tag, lambda found: f"{found[1]}{-1000 - int(found[2])}", plain(product))
        assert count == len(IDS)
        return text

    monkeypatch.setattr(product, "product_xml", offsets_by_band)
    names = ("B01", "B02", "B8A", "B09", "B11", "B12")
    path, _ = write_product(tmp_path, size=96, bands=names)
    scene = open_scene(path, names)
    assert {number: scene.layers[name].offset for number, name in IDS.items() if name in scene.layers} == {
        number: -1000 - number for number in IDS if number != 10
    }
    for number, name in IDS.items():
        if name in names:
            with rasterio.open(next(path.rglob(f"*_{name}_*.jp2"))) as source:
                first = source.read(1)[0, 0]
            np.testing.assert_allclose(scene.read(bands=(name,))[0, 0, 0], (first - 1000.0 - number) / 1e4, atol=1e-6)
