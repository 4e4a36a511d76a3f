"""Many scenes in one call: each on its own, none twice, and one layer of all."""

import dataclasses
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import torch

from datasets_def import open_scene
from glofgeo.config import DataConfig, MapConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.job import plan_scene
from glofgeo.mapping.record import summary
from glofgeo.mapping.scene_folder import read_record
from glofgeo.mapping.scene_list import list_scenes
from glofgeo.models import Header, build_model, load_checkpoint, load_model, save_checkpoint, torch_predictor
from glofgeo.terminal import told


@pytest.fixture
def model(checkpoint):
    return load_model(checkpoint)


@pytest.fixture
def scenes(tmp_path, write_raster):
    """Three scenes of 80 x 90 pixels, side by side."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for i in range(3):
        array = np.random.default_rng(i).integers(1000, 4000, (4, 80, 90)).astype(np.uint16)
        write_raster(folder / f"scene{i}.tif", array, scale=1e-4, origin=(300000 + 900 * i, 3100000),
                     ACQUISITION_DATETIME="2024-10-15T04:57:01+00:00")  # fmt: skip
    return sorted(folder.iterdir())


def with_card(model, **changed):
    """The same model, of which something else is said."""
    return torch_predictor(load_checkpoint(Path(model.name)).model, dataclasses.replace(model.card, **changed))


def names(folder):
    """What is in a folder, but for the catalogue."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".json")


def test_scenes_are_found_by_path_folder_and_list(tmp_path, scenes):
    listed = tmp_path / "list.txt"
    listed.write_text(f"# two of them\n{scenes[2]}\n\n  {scenes[0]}  \n")
    assert list_scenes([str(scenes[1]), f"@{listed}"]) == [scenes[1], scenes[2], scenes[0]]
    assert list_scenes([str(tmp_path / "scenes"), str(scenes[1])]) == scenes
    with pytest.raises(GlofgeoError, match=r"none\.txt"):
        list_scenes([f"@{tmp_path / 'none.txt'}"])
    listed.write_bytes(f"\ufeff{scenes[2]}\r\n# one\r\n\r\n{scenes[0]}\r\n".encode())
    assert list_scenes([f"@{listed}"]) == [scenes[2], scenes[0]]
    listed.write_text("# nothing\n")
    with pytest.raises(GlofgeoError, match="lists no scene"):
        list_scenes([f"@{listed}"])


def test_each_scene_has_its_folder_and_all_share_a_layer(tmp_path, model, scenes):
    report = map_scenes(scenes, model, out=tmp_path / "maps")
    assert names(tmp_path / "maps") == ["lakes.gpkg", "scene0", "scene1", "scene2"]
    assert report.mapped == [tmp_path / "maps" / path.stem for path in scenes]
    assert report.combined == tmp_path / "maps" / "lakes.gpkg"
    parts = [gpd.read_file(folder / "lakes.gpkg", layer="lakes") for folder in report.mapped]
    combined = gpd.read_file(report.combined, layer="lakes")
    # The scenes do not overlap, so nothing may be lost.
    assert combined.area_m2.sum() == pytest.approx(sum(part.area_m2.sum() for part in parts))
    assert len(combined) == sum(map(len, parts)) > 0


def test_a_rerun_maps_only_what_is_not_there(tmp_path, model, scenes):
    out = tmp_path / "maps"
    map_scenes(scenes, model, out=out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    report = map_scenes(scenes, model, out=out)
    assert (len(report.kept), report.mapped) == (3, [])
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*")} == before

    shutil.rmtree(out / "scene1")
    (out / "scene2" / "mask.tif").unlink()
    report = map_scenes(scenes, model, out=out)
    assert [folder.name for folder in report.mapped] == ["scene1", "scene2"]
    assert len(map_scenes(scenes, model, out=out, overwrite=True).mapped) == 3


def test_what_changes_the_answer_is_mapped_again(tmp_path, model, scenes):
    out = tmp_path / "maps"
    scene = [scenes[0]]

    def mapped(predictor=model, **words):
        return len(map_scenes(scene, predictor, out=out, **words).mapped) == 1

    assert mapped()
    assert not mapped()
    assert not mapped(settings=MapConfig(batch_size=1)), "the size of a batch changes nothing"
    assert mapped(settings=MapConfig(threshold=0.6))
    assert mapped(settings=MapConfig(tta=True))
    assert mapped(with_card(model, sha256="another"))
    with rasterio.open(scene[0]) as source:
        left, bottom, right, top = source.bounds
        crs = source.crs
    aoi = gpd.GeoDataFrame(geometry=gpd.GeoSeries.from_wkt(
        [f"POLYGON (({left} {bottom}, {right} {bottom}, {right} {top}, {left} {bottom}))"]), crs=crs)  # fmt: skip
    assert mapped(aoi=aoi)
    assert not mapped(aoi=aoi)
    os.utime(scene[0], (1, 1))
    assert mapped(aoi=aoi)


def test_a_scene_that_fails_does_not_stop_the_others(tmp_path, model, scenes):
    whole = scenes[1].read_bytes()
    scenes[1].write_bytes(whole[: len(whole) // 2])
    gone = tmp_path / "gone.tif"
    report = map_scenes([*scenes, gone], model, out=tmp_path / "maps")
    assert [folder.name for folder in report.mapped] == ["scene0", "scene2"]
    assert set(report.failed) == {str(scenes[1]), str(gone)}
    assert names(tmp_path / "maps") == ["lakes.gpkg", "scene0", "scene2"]


def test_a_damaged_image_of_a_product_leaves_no_map(tmp_path, model, product):
    """Decoders give wrong pixels for it without an error."""
    path = shutil.copytree(product[0], tmp_path / product[0].name)
    image = next(path.rglob("*_B08_10m.jp2"))
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 16
    image.write_bytes(content)
    report = map_scenes([path], model, out=tmp_path / "maps")
    assert image.name in str(report.failed[str(path)]) and "manifest.safe" in str(report.failed[str(path)])
    assert names(tmp_path / "maps") == []


def test_scenes_off_the_area_are_passed_over(tmp_path, model, scenes):
    with rasterio.open(scenes[1]) as source:
        left, bottom, right, top = source.bounds
        crs = source.crs
    inside = f"POLYGON (({left + 100} {bottom}, {right - 100} {bottom}, {right - 100} {top}, {left + 100} {bottom}))"
    aoi = gpd.GeoDataFrame(geometry=gpd.GeoSeries.from_wkt([inside]), crs=crs)
    report = map_scenes(scenes, model, out=tmp_path / "maps", aoi=aoi)
    assert [folder.name for folder in report.mapped] == ["scene1"]
    assert report.outside == [scenes[0], scenes[2]]
    with pytest.raises(GlofgeoError, match="off this scene"):
        map_scenes([scenes[0], scenes[2]], model, out=tmp_path / "maps", aoi=aoi)


def test_two_scenes_of_one_name_are_refused(tmp_path, model, scenes):
    twin = tmp_path / "scene0.tif"
    shutil.copy(scenes[0], twin)
    with pytest.raises(GlofgeoError, match="same name"):
        map_scenes([scenes[0], twin], model, out=tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_the_record_tells_what_decided_the_map(tmp_path, model, scenes):
    map_scenes(scenes[:1], model, out=tmp_path / "maps", settings=MapConfig(threshold=0.4))
    record = json.loads((tmp_path / "maps" / "scene0" / "run.json").read_text())
    assert record["checkpoint_sha256"] == model.sha256
    assert record["settings"]["threshold"] == 0.4
    assert record["settings"]["batch_size"] >= 1
    assert (record["trained_pixel_m"], record["note"]) == ("not known", None)
    assert record["peak_memory_mib"] > 0


class DarkInInfrared(torch.nn.Module):
    """Calls a pixel lake if its B08 is low."""

    config = ModelConfig(variant="tiny", image_size=126)

    def forward(self, reflectance):
        return (0.05 - reflectance[:, 3:4]) * 100


def test_a_lake_in_two_overlapping_scenes_of_a_date_occurs_once(tmp_path, product, write_raster):
    whole = open_scene(product[0])
    numbers = np.array(whole.load_dn(None, whole.bands).dn)
    left, top = whole.transform * (0, 0)
    when = whole.datetime.isoformat()
    paths = [
        write_raster(tmp_path / f"{name}.tif", numbers[:, :, cols], scale=1e-4, offset=-0.1, crs=whole.crs,
                     origin=(left + 10 * cols.start, top), ACQUISITION_DATETIME=when)
        for name, cols in (("whole", slice(0, 300)), ("west", slice(0, 180)), ("east", slice(120, 300)))
    ]  # fmt: skip
    header = Header(TrainConfig(model=DarkInInfrared.config, data=DataConfig(window=126)), {}, None, "known")
    dark = torch_predictor(DarkInInfrared(), header)
    alone = map_scenes(paths[:1], dark, out=tmp_path / "alone").mapped[0]
    report = map_scenes(paths[1:], dark, out=tmp_path / "maps")
    expected = gpd.read_file(alone / "lakes.gpkg", layer="lakes")
    combined = gpd.read_file(report.combined, layer="lakes")
    parts = [gpd.read_file(folder / "lakes.gpkg", layer="lakes") for folder in report.mapped]
    assert sum(map(len, parts)) > len(expected) > 3
    assert len(combined) == len(expected)
    np.testing.assert_allclose(sorted(combined.area_m2), sorted(expected.area_m2), rtol=0.02)


def test_what_is_not_ours_is_refused_before_any_scene_is_mapped(tmp_path, model, scenes):
    out = tmp_path / "maps"
    for name in ("lakes.gpkg", "scene2"):
        path = out / name
        path.parent.mkdir(exist_ok=True)
        if name == "scene2":
            path.mkdir()
        (path / "thesis.docx" if name == "scene2" else path).write_text("years")
        with pytest.raises(GlofgeoError, match=name) as refusal:
            map_scenes(scenes, model, out=out)
        assert "--out" in told(refusal.value)
        assert names(out) == [name]
        shutil.rmtree(out)


def test_a_combined_layer_corrected_by_hand_stays(tmp_path, model, scenes):
    out = tmp_path / "maps"
    combined = map_scenes(scenes[:2], model, out=out).combined
    map_scenes(scenes[:2], model, out=out)
    # A single scene says that it leaves this layer as it was.
    assert map_scenes(scenes[:1], model, out=out, overwrite=True).stale == combined
    with closing(sqlite3.connect(combined)) as database, database:
        database.execute("CREATE TABLE fieldwork (note TEXT)")
    before = combined.read_bytes()
    with pytest.raises(GlofgeoError, match="fieldwork"):
        map_scenes(scenes[:2], model, out=out)
    assert combined.read_bytes() == before


@pytest.mark.parametrize("twin", ["SCENE0", "lakes.GPKG"])
def test_names_that_are_one_on_other_systems_are_refused(tmp_path, model, scenes, write_raster, twin):
    other = write_raster(tmp_path / "x.tif", np.full((4, 40, 40), 1500, np.uint16), scale=1e-4, SCENE_ID=twin)
    with pytest.raises(GlofgeoError, match=twin):
        map_scenes([scenes[0], other], model, out=tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_scenes_without_a_cloud_mask_say_so_wherever_their_lakes_are_shown(tmp_path, model, scenes, product):
    report = map_scenes([product[0], *scenes[:1]], model, out=tmp_path / "maps")
    masked, bare = sorted(report.mapped)
    assert (masked.name, bare.name) == (product[0].stem, "scene0")
    assert summary(read_record(masked)).endswith("% observed; clouds masked")
    assert summary(read_record(bare)).endswith(
        "100% observed; clouds are not masked (no scene classification), they count as observed"
    )
    for folder, note in ((masked, None), (bare, "clouds are not masked")):
        for name in ("mask.tif", "probability.tif"):
            with rasterio.open(folder / name) as source:
                assert (note or "") in source.tags().get("NOTE", "") and ("NOTE" in source.tags()) == bool(note)
        for layer in ("lakes", "lakes_points"):
            description = pyogrio.read_info(folder / "lakes.gpkg", layer=layer)["layer_metadata"]["DESCRIPTION"]
            assert ("clouds are not masked" in description) == bool(note)
    description = pyogrio.read_info(report.combined, layer="lakes")["layer_metadata"]["DESCRIPTION"]
    assert "1 of 2 scenes: clouds are not masked" in description


def test_pixels_of_another_size_are_refused_or_let_through_with_a_note(tmp_path, model, write_raster):
    array = np.random.default_rng(0).integers(1000, 4000, (4, 80, 90)).astype(np.uint16)
    ten = with_card(model, pixel_m=10.0)
    sides = (7.6, 12.4, 7.4, 12.6, 3, 60)
    paths = [write_raster(tmp_path / f"of{side:g}.tif", array, scale=1e-4, pixel=side) for side in sides]
    for path, fits in zip(paths, (True, True, False, False, False, False), strict=True):
        scene = open_scene(path)
        assert plan_scene(scene, model).note is None, "not known, so not judged"
        if fits:
            assert plan_scene(scene, ten).note is None
        else:
            with pytest.raises(GlofgeoError, match="m wide, and the model was trained on 10 m") as refused:
                plan_scene(scene, ten)
            assert refused.value.argument == "any_resolution"

    report = map_scenes(paths[-1:], ten, out=tmp_path / "any", settings=MapConfig(any_resolution=True))
    record = json.loads((report.mapped[0] / "run.json").read_text())
    assert record["pixel_m"] == pytest.approx(60, rel=2e-3)
    assert (record["trained_pixel_m"], record["settings"]["any_resolution"]) == (10.0, True)
    for name in ("mask.tif", "probability.tif"):
        with rasterio.open(report.mapped[0] / name) as raster:
            assert raster.tags()["NOTE"].endswith(f"; {record['note']}") and record["note"]
    description = pyogrio.read_info(report.mapped[0] / "lakes.gpkg", layer="lakes")["layer_metadata"]["DESCRIPTION"]
    assert record["note"] in description


def test_a_model_is_loaded_from_its_file_once_it_is_needed(tmp_path, checkpoint, scenes):
    copy = Path(shutil.copy(checkpoint, tmp_path / "best.safetensors"))
    model = load_model(copy)
    assert len(map_scenes(scenes[:1], model, out=tmp_path / "maps").mapped) == 1
    other = TrainConfig(model=ModelConfig(variant="tiny", image_size=126), data=DataConfig(window=126))
    save_checkpoint(copy, build_model(other.model), other, {"note": "another"})
    assert len(map_scenes(scenes[:1], model, out=tmp_path / "maps").kept) == 1
    with pytest.raises(GlofgeoError, match="replaced since"):
        map_scenes(scenes[1:2], model, out=tmp_path / "maps")
