import shutil
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

from datasets_def.scene import open_scene
from datasets_def.synthetic.product import write_product
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.deepness_layer import write_stack

BANDS = ("B08", "B02", "B03", "B04")
MIXED = ("B04", "B05", "B01")


def read(path, window=None):
    with rasterio.open(path) as stack:
        return stack.read(window=window)


def expected(scene, bands, window=None):
    """The convention in one line: reflectance x 10000 + 1000, 0 where there is no data."""
    numbers = scene.load_dn(window, bands).dn
    reflectance = scene.reflectance(numbers, bands).astype(np.float64)
    return np.where(numbers != 0, np.rint(reflectance * 10000) + 1000, 0).astype(np.uint16)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A product with bands of 10, 20 and 60 m, and its stack."""
    product, _ = write_product(tmp_path_factory.mktemp("mixed"), size=120, bands=MIXED)
    scene = open_scene(product, MIXED)
    return scene, write_stack(scene, product.parent, MIXED)


@pytest.fixture(scope="module", params=["02.12", "05.10"])
def dated(request, tmp_path_factory):
    """The same place with and without the offset in its numbers."""
    product, _ = write_product(tmp_path_factory.mktemp("dated"), size=66, seed=3, baseline=request.param)
    return open_scene(product, BANDS)


def test_the_numbers_mean_the_same_for_every_baseline(dated, tmp_path):
    stack = write_stack(dated, tmp_path, BANDS)
    assert stack == tmp_path / f"{dated.id}_stack.vrt"
    np.testing.assert_array_equal(read(stack), expected(dated, BANDS))
    assert read(stack).max() > 1500


def test_products_since_04_00_are_passed_through(product, tmp_path):
    scene = open_scene(product[0], BANDS)
    np.testing.assert_array_equal(read(write_stack(scene, tmp_path, BANDS)), scene.load_dn(None, BANDS).dn)


@given(data=st.data())
def test_coarser_bands_are_replicated(mixed, data):
    scene, stack = mixed
    top, left = (data.draw(st.integers(0, 119)) for _ in range(2))
    window = Window(left, top, data.draw(st.integers(1, 120 - left)), data.draw(st.integers(1, 120 - top)))
    np.testing.assert_array_equal(read(stack, window), expected(scene, MIXED, window))


def test_what_qgis_sees(mixed):
    scene, path = mixed
    with rasterio.open(path) as stack:
        assert (stack.shape, stack.transform, stack.crs) == (scene.shape, scene.transform, scene.crs)
        assert stack.descriptions == MIXED
        assert stack.dtypes == ("uint16",) * 3
        assert stack.nodatavals == (0,) * 3
        # QGIS would apply them, and Deepness would get other numbers.
        assert (set(stack.scales), set(stack.offsets)) == ({1.0}, {0.0})


def test_red_is_red_for_every_reader(product, tmp_path):
    path = write_stack(open_scene(product[0]), tmp_path, BANDS)
    with rasterio.open(path) as stack:
        assert [colour.name for colour in stack.colorinterp[1:]] == ["blue", "green", "red"]
    (renderer,) = ElementTree.parse(path.with_suffix(".qml")).iter("rasterrenderer")
    assert [renderer.get(f"{name}Band") for name in ("red", "green", "blue")] == ["4", "3", "2"]


def test_a_style_that_somebody_saved_stays_and_one_of_other_bands_goes(product, tmp_path):
    scene = open_scene(product[0])
    style = write_stack(scene, tmp_path, BANDS).with_suffix(".qml")
    write_stack(scene, tmp_path, ("B08", "B04"))
    assert not style.exists()
    style.write_text("<qgis>mine</qgis>")
    write_stack(scene, tmp_path, BANDS)
    assert style.read_text() == "<qgis>mine</qgis>"


def test_it_is_a_scene_again(product, tmp_path):
    scene = open_scene(product[0])
    again = open_scene(write_stack(scene, tmp_path, scene.bands))
    np.testing.assert_allclose(again.read(), scene.read(), atol=1e-6)
    assert (again.id, again.datetime) == (scene.id, scene.datetime)


def test_dark_water_below_zero_keeps_its_value_and_nodata_stays(write_raster, tmp_path):
    digits = np.array([[[0, 1, 700], [1000, 9000, 20000]]], np.uint16)
    path = write_raster(tmp_path / "dark.tif", digits, bands=("B08",), scale=0.0001, offset=-0.1)
    scene = open_scene(path, ("B08",))
    np.testing.assert_array_equal(read(write_stack(scene, tmp_path, ("B08",))), digits)


@pytest.mark.parametrize("nodata", [-1.0, float("nan")])
def test_reflectance_as_floating_point(write_raster, tmp_path, nodata):
    values = np.array([[[nodata, -0.02, 0.0], [0.12344, 0.5, 1.1]]], np.float32)
    path = write_raster(tmp_path / "float.tif", values, bands=("B08",), nodata=nodata)
    scene = open_scene(path, ("B08",))
    stack = read(write_stack(scene, tmp_path, ("B08",)))
    np.testing.assert_array_equal(stack, [[[0, 800, 1000], [2234, 6000, 12000]]])


def test_bands_of_one_file_in_the_models_order(write_raster, tmp_path):
    digits = np.arange(1, 25, dtype=np.uint16).reshape(4, 2, 3)
    path = write_raster(tmp_path / "four & more.tif", digits)
    stack = write_stack(open_scene(path), tmp_path, ("B08", "B02"))
    np.testing.assert_array_equal(read(stack), digits[[3, 0]] + 1000)


def test_a_zipped_product(mixed, tmp_path):
    product = mixed[0].path
    archive = tmp_path / f"{product.name}.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in product.rglob("*"):
            target.write(file, file.relative_to(product.parent))
    scene = open_scene(archive, MIXED)
    np.testing.assert_array_equal(read(write_stack(scene, tmp_path / "out", MIXED)), read(mixed[1]))


def test_beside_the_product_both_can_be_moved(mixed, tmp_path):
    folder = mixed[0].path.parent
    before = read(mixed[1])
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert str(folder) not in mixed[1].read_text()
    np.testing.assert_array_equal(read(moved / mixed[1].name), before)


def test_product_and_stack_in_neighbouring_folders_can_be_moved_together(mixed, tmp_path):
    shutil.copytree(mixed[0].path, tmp_path / "a" / "scenes" / mixed[0].path.name)
    scene = open_scene(tmp_path / "a" / "scenes" / mixed[0].path.name, MIXED)
    stack = write_stack(scene, tmp_path / "a" / "out", MIXED)
    (tmp_path / "a").rename(tmp_path / "b")
    np.testing.assert_array_equal(read(tmp_path / "b" / "out" / stack.name), read(mixed[1]))


def test_elsewhere_it_finds_a_product_named_by_a_relative_path(mixed, tmp_path, monkeypatch):
    monkeypatch.chdir(mixed[0].path.parent)
    stack = write_stack(open_scene(mixed[0].path.name, MIXED), tmp_path, MIXED)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(read(stack), read(mixed[1]))


def test_a_band_that_cannot_be_read_is_told(mixed, tmp_path):
    product = tmp_path / mixed[0].path.name
    shutil.copytree(mixed[0].path, product)
    (band,) = product.rglob("*_B05_20m.jp2")
    band.write_bytes(band.read_bytes()[:-100])
    with pytest.raises(GlofgeoError, match="cut short"):
        write_stack(open_scene(product, MIXED), tmp_path / "out", MIXED)
    band.unlink()
    with pytest.raises(GlofgeoError, match="B05"):
        write_stack(open_scene(product, MIXED), tmp_path / "out", MIXED)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(mixed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GlofgeoError, match="cannot write there"):
        write_stack(mixed[0], tmp_path / "file", MIXED)
    assert (tmp_path / "file").read_text() == ""


def test_a_failed_write_keeps_the_old_file(mixed, tmp_path, monkeypatch):
    stack = write_stack(mixed[0], tmp_path, MIXED)
    before = stack.read_bytes()

    def fail(tree, file, **_):
        file.write_text("<VRT")
        raise OSError("No space left on device")

    monkeypatch.setattr(ElementTree.ElementTree, "write", fail)
    with pytest.raises(GlofgeoError, match="No space left"):
        write_stack(mixed[0], tmp_path, MIXED)
    assert stack.read_bytes() == before
    assert list(tmp_path.iterdir()) == [stack]


def test_numbers_of_another_scale_become_those_of_the_stack(write_raster, tmp_path):
    """Half the steps a unit of reflectance, raised by 500: the offset is one of the file's numbers, not the stack's."""
    digits = np.array([[[0, 400, 500], [1000, 3000, 5500]]], np.uint16)
    path = write_raster(tmp_path / "coarse.tif", digits, bands=("B08",), scale=0.0002, offset=-0.1)
    scene = open_scene(path, ("B08",))
    np.testing.assert_array_equal(read(write_stack(scene, tmp_path, ("B08",))), [[[0, 800, 1000], [2000, 6000, 11000]]])


def test_the_last_pixels_of_a_ragged_grid_are_shown_too(tmp_path):
    """101 pixels of 10 m are 51 of 20 m and 17 of 60 m, the last of which reach beyond the grid."""
    product, _ = write_product(tmp_path, size=101, bands=MIXED)
    scene = open_scene(product, MIXED)
    np.testing.assert_array_equal(read(write_stack(scene, tmp_path, MIXED)), expected(scene, MIXED))


def test_a_stack_replaces_a_stack_and_nothing_else(product, tmp_path):
    scene = open_scene(product[0])
    path = write_stack(scene, tmp_path, BANDS)
    write_stack(scene, tmp_path, BANDS)
    for text in ("mine", "<VRTDataset><Metadata><MDI key='SOFTWARE'>QGIS</MDI></Metadata></VRTDataset>"):
        path.write_text(text)
        with pytest.raises(GlofgeoError, match=r"_stack\.vrt: was not written by glofgeo"):
            write_stack(scene, tmp_path, BANDS)
        assert path.read_text() == text
