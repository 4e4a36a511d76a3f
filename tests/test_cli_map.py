"""`glofgeo map` as a user meets it: what it refuses, what it tells, and what it leaves."""

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box


@pytest.fixture
def map_refused(refused, checkpoint, tmp_path):
    """Expects `map` to refuse a scene, and to leave nothing behind."""

    def call(scene, *words, checkpoint=checkpoint):
        message = refused("map", "--scene", scene, "--checkpoint", checkpoint, "--out", tmp_path / "maps", *words)
        assert not (tmp_path / "maps").exists() or not any((tmp_path / "maps").iterdir())
        return message

    return call


def test_wrong_scenes_are_named(map_refused, product, tmp_path, write_raster):
    assert "gone.SAFE" in map_refused(tmp_path / "gone.SAFE")
    (tmp_path / "folder.SAFE").mkdir()
    assert "not a Sentinel-2 product" in map_refused(tmp_path / "folder.SAFE")
    three = write_raster(tmp_path / "three.tif", np.full((3, 40, 40), 800, np.uint16), bands=("B02", "B03", "B04"))
    assert "three.tif: has no band B08" in map_refused(three)

    broken = shutil.copytree(product[0], tmp_path / product[0].name)
    band = next(broken.rglob("*_B08_10m.jp2"))
    whole = band.read_bytes()
    band.write_bytes(whole[: len(whole) // 2])
    assert band.name in map_refused(broken)
    band.unlink()
    assert band.name in map_refused(broken)
    xml = broken / "MTD_MSIL2A.xml"
    xml.write_text(xml.read_text()[:900])
    assert "MTD_MSIL2A.xml: broken XML" in map_refused(broken)

    archive = Path(shutil.make_archive(tmp_path / "product", "zip", product[0].parent, product[0].name))
    archive.write_bytes(archive.read_bytes()[:-500])
    assert "product.zip" in map_refused(archive)


def test_wrong_areas_of_interest_are_named(map_refused, product, tmp_path):
    here = gpd.GeoDataFrame(geometry=[box(86.9, 27.88, 86.95, 27.91)])
    here.to_file(tmp_path / "nocrs.shp")
    assert "nocrs.shp" in map_refused(product[0], "--aoi", tmp_path / "nocrs.shp")
    away = gpd.GeoDataFrame(geometry=[box(10, 45, 11, 46)], crs="EPSG:4326")
    away.to_file(tmp_path / "away.geojson")
    assert "off this scene" in map_refused(product[0], "--aoi", tmp_path / "away.geojson")
    away.iloc[:0].to_file(tmp_path / "empty.gpkg")
    assert "empty.gpkg" in map_refused(product[0], "--aoi", tmp_path / "empty.gpkg")
    assert "atlantis" in map_refused(product[0], "--aoi", "atlantis")


def test_wrong_checkpoints_are_named(map_refused, product, tmp_path, write_raster):
    pointer = tmp_path / "pointer.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    assert "Git LFS" in map_refused(product[0], checkpoint=pointer)
    noise = tmp_path / "noise.safetensors"
    noise.write_bytes(bytes(range(256)) * 8)
    assert "noise.safetensors" in map_refused(product[0], checkpoint=noise)
    assert "gone.safetensors" in map_refused(product[0], checkpoint=tmp_path / "gone.safetensors")


def test_a_checkpoint_for_other_bands_is_refused(map_refused, product, tmp_path):
    from glofgeo.config import ModelConfig, TrainConfig
    from glofgeo.models import build_model, save_checkpoint

    config = TrainConfig(model=ModelConfig(variant="tiny", image_size=126, bands=("B03", "B10")))
    path = tmp_path / "cirrus.safetensors"
    save_checkpoint(path, build_model(config.model), config, {})
    message = map_refused(product[0], checkpoint=path)
    assert "B10" in message
    assert product[0].name in message


def test_of_a_batch_each_scene_is_told_as_it_goes(run, product, checkpoint, tmp_path, write_raster):
    good = write_raster(tmp_path / "good.tif", np.full((4, 40, 40), 1800, np.uint16), scale=1e-4)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{good}\n{tmp_path / 'gone.SAFE'}\n")
    words = ["map", "--scene", f"@{listed}", product[0], "--checkpoint", checkpoint, "--out", tmp_path / "maps"]
    status, out, err = run(*words)
    assert status == 1
    told = [line for line in err.splitlines() if line.startswith("glofgeo: ")]
    assert len(told) == 2
    assert "gone.SAFE" in told[0]
    assert "1 of 3 scenes failed" in told[1]
    assert str(tmp_path / "maps" / "lakes.gpkg") in out
    made = {path.name for path in (tmp_path / "maps").iterdir()}
    described = {name for name in made if name.startswith("model-")}
    assert made - described == {"good", product[0].stem, "lakes.gpkg", "collection.json"} and len(described) == 1
    listed.write_text(f"{good}\n")
    status, out, _ = run(*words)
    assert status == 0
    assert out.count("mapped before") == 2


def test_what_is_left_out_of_a_layer_is_told_in_one_line(run, product, checkpoint, tmp_path):
    away = gpd.GeoDataFrame(geometry=[box(10, 45, 11, 46), box(10, 45, 11, 46).centroid], crs="EPSG:4326")
    away.to_file(tmp_path / "away.geojson")
    words = ("--scene", product[0], "--checkpoint", checkpoint, "--out", tmp_path, "--aoi", tmp_path / "away.geojson")
    status, _, err = run("map", *words)
    told = "1 of 2 features have no polygon and are left out"
    assert (status, err.splitlines()[0]) == (2, f"glofgeo: {tmp_path / 'away.geojson'}: {told}")


def test_a_finished_map_says_how_much_was_found_and_seen(run, product, checkpoint, tmp_path):
    words = ["map", "--scene", product[0], "--checkpoint", checkpoint, "--out", tmp_path / "maps"]
    for ending in ("observed; clouds masked", "mapped before; --overwrite maps it again)"):
        status, out, _ = run(*words)
        assert status == 0
        line = next(line for line in out.splitlines() if "lakes.gpkg: " in line)
        assert line.endswith(ending)
        record = json.loads((tmp_path / "maps" / product[0].stem / "run.json").read_text())
        assert f": {record['lakes']} lake" in line
        assert f", {record['lake_area_m2'] / 1e6:.3g} ± {record['lake_area_unc_m2'] / 1e6:.1g} km²" in line
        assert f", {int(100 * record['observed_share'] + 1e-6)}% observed" in line
        assert f"Model: {checkpoint}, SHA-256 {record['checkpoint_sha256'][:12]}" in out


def test_names_are_shown_on_one_line_and_change_nothing(refused, tmp_path, checkpoint):
    scene = tmp_path / "a[b]\n\x1b[31m.tif"
    scene.write_text("")
    message = refused("map", "--scene", scene, "--checkpoint", checkpoint, "--out", tmp_path / "maps")
    assert "a[b] \ufffd[31m.tif" in message


def test_ctrl_c_says_how_to_go_on(checkpoint, tmp_path, write_raster):
    scene = write_raster(tmp_path / "scene.tif", np.full((4, 600, 600), 1800, np.uint16), scale=1e-4)
    words = ["map", "--scene", scene, "--checkpoint", checkpoint, "--out", tmp_path / "maps", "--tta"]
    # A shell starts what runs in the background deaf to Ctrl-C, the tests too.
    start = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = f"{start}from glofgeo import cli; sys.argv = ['glofgeo', *sys.argv[1:]]; cli.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "windows done" in line:
            process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "stopped" in lines[-1] and "run the same command again" in lines[-1]
    assert not list(tmp_path.glob("maps/*"))


def test_maps_fill_an_inventory_in_which_lakes_keep_their_names(product, checkpoint, tmp_path):
    def mapped(*words):
        command = [sys.executable, "-c", "from glofgeo.cli import main; main()", "map", "--scene", str(product[0])]
        files = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "maps"), "--inventory"]
        return subprocess.run([*command, *files, *map(str, words)], capture_output=True, text=True)

    path = tmp_path / "inventory.gpkg"
    first = mapped(path)
    assert first.returncode == 0, first.stderr
    known = gpd.read_file(path, layer="lakes")
    assert "inventory.gpkg: all lakes so far" in first.stdout and len(known) > 0
    with closing(sqlite3.connect(path)) as database, database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE lake_observations SET lake_id = 'OURS' || lake_id")
    again = mapped(path, "--min-area", 900)
    assert again.returncode == 0, again.stderr
    (folder,) = (tmp_path / "maps").glob("*/lakes.gpkg")
    lakes = gpd.read_file(folder, layer="lakes")
    assert len(lakes) and lakes["lake_id"].str.startswith("OURS").all()
    asset = json.loads(folder.with_name("item.json").read_text())["assets"]["lakes"]
    assert asset["file:checksum"] == "1220" + hashlib.sha256(folder.read_bytes()).hexdigest()

    # Lakes that somebody has edited since are told before anything is written.
    with closing(sqlite3.connect(folder)) as database, database:
        database.execute("CREATE TABLE fieldwork (note TEXT)")
    before = path.read_bytes()
    edited = mapped(path, "--min-area", 900)
    assert edited.returncode == 2 and f"{folder}: " in edited.stderr
    assert path.read_bytes() == before
    (tmp_path / "mine.gpkg").write_text("mine")
    refused = mapped(tmp_path / "mine.gpkg")
    assert refused.returncode == 2 and "mine.gpkg" in refused.stderr and "--inventory" in refused.stderr
