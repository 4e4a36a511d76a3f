"""The command line as a user meets it: verbs, defaults, and one line for every wrong input."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from glofgeo import cli

COMMAND = Path(sys.executable).with_name("glofgeo")
VERBS = ("demo", "evaluate", "export", "info", "map", "train")


def glofgeo(*words, cwd=None):
    """Runs the installed command as a shell would."""
    return subprocess.run([COMMAND, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process: importing torch anew for every wrong input would take minutes."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["glofgeo", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def asked(monkeypatch, tmp_path_factory):
    """Collects what `train` would be asked to do, where there are data."""
    here = tmp_path_factory.mktemp("here")
    (here / "data" / "scenes").mkdir(parents=True)
    (here / "data" / "lakes.gpkg").touch()
    monkeypatch.chdir(here)
    seen = []

    def train(sources, config, *words, **more):
        seen.append({"aoi": sources.aoi, "config": config})
        return SimpleNamespace(best=Path("run/best.safetensors"), iou=0.5)

    monkeypatch.setattr("glofgeo.training.train_model", train)
    monkeypatch.setattr("glofgeo.train_and_score.score", lambda *words: None)
    return seen


@pytest.fixture
def refused(run):
    """Runs the command and returns its one line of refusal."""

    def call(*words):
        status, _, err = run(*words)
        lines = [line for line in err.splitlines() if line.startswith("glofgeo: ")]
        assert status == 2, err
        assert "Traceback" not in err
        assert len(lines) == 1
        return lines[0]

    return call


def test_help_lists_the_verbs():
    result = glofgeo("--help")
    assert result.returncode == 0
    assert all(verb in result.stdout for verb in VERBS)


def panels(text):
    """The titles of a help page, each with the flags under it."""
    found = {}
    for line in text.splitlines():
        if line.startswith("╭─"):
            flags = found[line.strip("╭─╮ ")] = []
        elif name := re.match(r"│ \*? *(--[\w.-]+)", line):
            flags.append(name.group(1))
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_a_narrow_terminal_and_says_what_each_flag_does(verb, monkeypatch, run):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run(verb, "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    for argument in cli.app[verb].assemble_argument_collection(parse_docstring=True):
        assert len(argument.parameter.help or "") > 5 or argument.children, argument.name
    assert not re.search(r"\[default: *(None|False|\(\))? *\]", out)


def test_help_of_train_sorts_its_flags_the_everyday_ones_first(run):
    titles = panels(run("train", "--help")[1])
    assert next(iter(titles)) == "Main options"
    assert {"--aoi", "--scenes", "--lakes", "--epochs", "--device"} <= {*titles["Main options"]}
    assert max(map(len, titles.values())) <= 15
    where = {flag: title for title, flags in titles.items() for flag in flags}
    assert where["--weights"] == where["--model.variant"] == "Model"
    assert where["--lr"] == "Optimiser" and where["--loss.dice"] == "Loss"
    assert where["--compile"] == where["--data.workers"] == "Speed, memory and hardware"


def test_help_and_usage_errors_import_nothing_heavy():
    code = (
        "import sys; from glofgeo import cli\n"
        "sys.argv = ['glofgeo', *sys.argv[1:]]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'torchgeo', 'geopandas', 'rasterio', 'lightning') if m in sys.modules])"
    )
    for words in (["--help"], ["train", "--help"], ["nonsense"], ["map"], ["map", "--scene", "x", "--overlap", "q"]):
        result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert result.stdout.splitlines()[-1] == "[]", words


@pytest.mark.parametrize(
    "words",
    [
        ["melt"],
        ["train"],
        ["map"],
        ["map", "--scene"],
        ["map", "--scene", "x", "--nonsense", "1"],
        ["train", "--aoi", "x", "--epochs", "many"],
        ["train", "--aoi", "x", "--model.variant", "huge"],
        ["evaluate"],
    ],
)
def test_usage_errors_list_the_verbs(refused, words):
    message = refused(*words)
    assert all(verb in message for verb in VERBS)


def test_configuration_comes_from_preset_file_and_flags_in_this_order(asked, run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\nmodel:\n  variant: small\n  bands: [B03, B08]\ndata:\n  crops: 7\n")
    assert run("train", "--aoi", "khumbu", "--config", file, "--data.crops", "9")[0] == 0
    assert run("train", "--aoi", "khumbu")[0] == 0
    assert run("train", "--aoi", "khumbu", "--config=demo")[0] == 0
    own, default, demo = (words["config"] for words in asked)
    assert (own.epochs, own.model.variant, own.model.bands, own.data.crops) == (3, "small", ("B03", "B08"), 9)
    assert (default.model.variant, default.data.window) == ("large", 518)
    assert demo.model.variant == "tiny"


def test_a_wrong_configuration_is_named(refused, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epoch: 3\n")
    assert "epoch" in refused("train", "--aoi", "khumbu", "--config", file)
    file.write_text("a: [")
    assert "mine.yaml" in refused("train", "--aoi", "khumbu", "--config", file)
    assert "nowhere.yaml" in refused("train", "--aoi", "khumbu", "--config", "nowhere.yaml")
    assert "B99" in refused("train", "--aoi", "khumbu", "--model.bands", "B99")


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
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"good", product[0].stem, "lakes.gpkg"}
    listed.write_text(f"{good}\n")
    status, out, _ = run(*words)
    assert status == 0
    assert out.count("mapped before") == 2


def test_an_unwritable_folder_is_named(refused, product, checkpoint, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for verb in (["map", "--scene", product[0], "--checkpoint", checkpoint], ["demo"]):
        assert str(file) in refused(*verb, "--out", file / "maps")
    assert file.read_text() == ""


def test_no_checkpoint_anywhere(refused, product, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refused("map", "--scene", product[0])
    assert "no checkpoint" in message
    assert "--checkpoint" in message
    assert not (tmp_path / "maps").exists()


def test_info_verifies_a_product_on_request(run, product, tmp_path):
    status, out, _ = run("info", "--verify", product[0])
    assert status == 0 and "7 files are whole" in out and "compared when a file is read" in out
    damaged = shutil.copytree(product[0], tmp_path / product[0].name)
    images = sorted(damaged.rglob("*.jp2"))[:2]
    for image in images:
        image.write_bytes(image.read_bytes().replace(b"\xff\x93", b"\xff\x92"))
    status, out, err = run("info", damaged, "--verify")
    assert status == 2 and "2 are damaged or missing" in err
    assert len(out.splitlines()) == 2
    assert all(image.name in line for image, line in zip(images, out.splitlines(), strict=True))
    (damaged / "manifest.safe").unlink()
    assert "none: damaged pixels would go unnoticed" in run("info", damaged)[1]


def test_training_refuses_what_it_cannot_learn_from(refused, product, tmp_path):
    aoi = gpd.GeoDataFrame(geometry=[box(86.9, 27.88, 86.95, 27.91)], crs="EPSG:4326")
    aoi.to_file(tmp_path / "here.geojson")
    away = gpd.GeoDataFrame(geometry=[box(10, 45, 11, 46)], crs="EPSG:4326")
    away.to_file(tmp_path / "away.gpkg")
    words = ["--config", "demo", "--out", tmp_path / "run", "--data.window", "64"]
    base = ["train", *words, "--scenes", product[0]]
    assert "away.gpkg" in refused(*base, "--aoi", tmp_path / "here.geojson", "--lakes", tmp_path / "away.gpkg")
    assert "outside" in refused(*base, "--aoi", tmp_path / "away.gpkg", "--lakes", product[1])
    assert "nolakes.gpkg" in refused(*base, "--aoi", tmp_path / "here.geojson", "--lakes", tmp_path / "nolakes.gpkg")
    empty = tmp_path / "scenes"
    empty.mkdir()
    base = ["train", *words, "--scenes", empty, "--aoi", tmp_path / "here.geojson", "--lakes", product[1]]
    assert "no scene" in refused(*base)
    assert not (tmp_path / "run").exists()


def test_a_fault_of_ours_is_told_apart(run, monkeypatch):
    def fail(name):
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("datasets_def.aoi.read_aoi", fail)
    status, _, err = run("train", "--aoi", "khumbu")
    assert status == 1
    assert "the sky fell" in err
    assert "--debug" in err
    with pytest.raises(RuntimeError):
        run("train", "--aoi", "khumbu", "--debug")


def test_the_two_commands_as_written(product, tmp_path):
    """Everything at its default but the size of the work."""
    scenes = tmp_path / "data" / "scenes"
    scenes.mkdir(parents=True)
    shutil.copytree(product[0], scenes / product[0].name)
    shutil.copy(product[1], tmp_path / "data" / "lakes.gpkg")
    left, low, right, high = gpd.read_file(product[1]).to_crs("EPSG:4326").total_bounds
    middle = (left + right) / 2
    aoi = gpd.GeoDataFrame(
        {"split": ["train", "val"]},
        geometry=[
            box(left - 0.01, low - 0.01, middle, high + 0.01),
            box(middle, low - 0.01, right + 0.01, high + 0.01),
        ],
        crs="EPSG:4326",
    )
    (tmp_path / "aoi").mkdir()
    aoi.to_file(tmp_path / "aoi" / "himalaya.geojson")
    small = ["--config", "demo", "--epochs", "1", "--data.crops", "4", "--data.batch-size", "2", "--data.window", "70"]
    result = glofgeo("train", "--aoi", "himalaya.geojson", *small, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    result = glofgeo("map", "--scene", scenes / product[0].name, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "maps" / product[0].stem
    expected = {"probability.tif", "mask.tif", "lakes.gpkg", "overview.png", "run.json"}
    assert expected <= {path.name for path in folder.iterdir()}
    record = json.loads((folder / "run.json").read_text())
    assert (record["scene"], record["baseline"], record["cloud_mask"]) == (product[0].stem, "05.10", True)
    assert [path.name for path in (tmp_path / "maps").iterdir()] == [product[0].stem]

    words = ["--prediction", folder / "mask.tif", "--scene", product[0], "--lakes", product[1]]
    words += ["--ndwi-threshold", "0.3", "--out", tmp_path / "card"]
    result = glofgeo("evaluate", *words, "--json", tmp_path / "card.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "NDWI" in result.stdout
    assert json.loads((tmp_path / "card.json").read_text())["ndwi_threshold"] == 0.3
    assert {path.name for path in (tmp_path / "card").iterdir()} == {"scorecard.json", "scorecard.md", "scorecard.png"}
    result = glofgeo("evaluate", "--scene", product[0], "--lakes", product[1], "--aoi", "himalaya", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aoi", "card", "card.json", "data", "maps", "runs"]

    checkpoint = next((tmp_path / "runs").glob("*/best.safetensors"))
    result = glofgeo("info", checkpoint)
    assert "B02, B03, B04, B08" in result.stdout
    result = glofgeo("info", product[0])
    assert "05.10" in result.stdout


def test_ready_made_areas_are_found_from_anywhere(asked, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = ["--scenes", tmp_path, "--lakes", tmp_path]
    for name in ("himalaya.geojson", "himalaya", "south_lhonak"):
        assert run("train", "--aoi", name, *data)[0] == 0
    assert len(asked[0]["aoi"]) > 5
    assert list(tmp_path.iterdir()) == []


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
        assert f", {record['observed_share']:.0%} observed" in line
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


def test_what_is_not_ours_is_refused_before_the_work(refused, checkpoint, tmp_path, product):
    (tmp_path / "scorecard.md").write_text("my notes")
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "best.onnx").write_text("my model")
    words = ["evaluate", "--scene", product[0], "--lakes", product[1], "--checkpoint", checkpoint]
    assert "scorecard.md" in refused(*words, "--out", tmp_path)
    assert "card.json" in refused(*words, "--json", tmp_path / "card.json")
    assert "best.onnx" in refused("export", "--checkpoint", checkpoint, "--out", tmp_path)
    assert (tmp_path / "best.onnx").read_text() == "my model"


def test_a_full_disk_is_no_fault_of_glofgeo(run, monkeypatch):
    def fail(name):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    monkeypatch.setattr("datasets_def.aoi.read_aoi", fail)
    status, _, err = run("train", "--aoi", "khumbu")
    assert (status, err.count("\n")) == (2, 1)
    assert "/data/x: No space left on device" in err


TRAIN = {
    "--clip": -1, "--patience": -1, "--warmup": 5, "--loss.lake-weight": -1, "--augment.haze": -1, "--lr": 0,
    "--data.cache-size": "nan", "--data.block-deg": 0, "--epochs": -1, "--data.workers": -1, "--data.window": 13,
    "--model.std": "0", "--devices": 0, "--device": "cuda", "--wandb": "", "--offset": "inf", "--lr ": "nan",
}  # fmt: skip
MAP = {"--min-area": "nan", "--threshold": 1, "--overlap": -1, "--batch-size": 0, "--offset": "nan"}


FLAGS = [("train", *flag) for flag in TRAIN.items()] + [("map", *flag) for flag in MAP.items()]


@pytest.mark.parametrize(("verb", "flag", "value"), FLAGS)
def test_a_flag_that_cannot_be_meant_is_named_and_nothing_written(refused, tmp_path, monkeypatch, verb, flag, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "lakes.gpkg").touch()
    before = sorted(tmp_path.rglob("*"))
    data = ["--aoi", "khumbu", "--scenes", "scenes", "--lakes", "lakes.gpkg", "--out", "run"]
    given = data if verb == "train" else ["--scene", "scenes"]
    assert flag.strip() in refused(verb, *given, flag.strip(), value)
    assert sorted(tmp_path.rglob("*")) == before


def modules_after(words, cwd):
    """What a command has imported when it ends, with its status and the last line it printed."""
    code = (
        "import sys; from glofgeo import cli\n"
        "status = 0\n"
        "try: cli.main()\n"
        "except SystemExit as stop: status = stop.code\n"
        "print(status, [m for m in ('torch', 'torchgeo', 'lightning', 'timm', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code, *map(str, words)], cwd=cwd, capture_output=True, text=True)
    return result.stdout.splitlines()[-1], result.stdout + result.stderr


def test_a_mistyped_path_imports_nothing_slow(product, checkpoint, tmp_path):
    scene, lakes = product
    for words in (
        ["map", "--scene", "gone.SAFE", "--checkpoint", checkpoint],
        ["map", "--scene", scene, "--checkpoint", "gone.safetensors"],
        ["train", "--aoi", "khumbu", "--scenes", scene, "--lakes", "gone.gpkg"],
        ["evaluate", "--lakes", lakes, "--scene", scene, "--checkpoint", "gone.onnx"],
        ["export", "--checkpoint", "gone.safetensors"],
        ["info", "gone.safetensors"],
    ):
        last, told = modules_after(words, tmp_path)
        assert last == "2 []", told
        assert "gone" in told
    assert list(tmp_path.iterdir()) == []


def test_a_finished_map_is_recognised_without_torch(write_raster, checkpoint, tmp_path):
    scene = write_raster(tmp_path / "scene.tif", np.full((4, 96, 96), 1800, np.uint16), scale=1e-4)
    words = ["map", "--scene", scene, "--checkpoint", checkpoint, "--out", tmp_path / "maps"]
    assert glofgeo(*words).returncode == 0
    last, told = modules_after(words, tmp_path)
    assert last == "0 []", told
    assert "mapped before" in told


def test_variables_of_other_programs_do_no_harm(write_raster, checkpoint, tmp_path):
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj" / "proj.db").write_bytes(b"of another version")
    scene = write_raster(tmp_path / "scene.tif", np.full((4, 96, 96), 1800, np.uint16), scale=1e-4)
    foreign = dict.fromkeys(("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"), str(tmp_path / "proj"))
    words = ["map", "--scene", scene, "--checkpoint", checkpoint, "--out", tmp_path / "maps", "--aoi", "khumbu"]
    result = subprocess.run([COMMAND, *map(str, words)], env=os.environ | foreign, capture_output=True, text=True)
    assert result.returncode == 2
    assert "off this scene" in result.stderr
