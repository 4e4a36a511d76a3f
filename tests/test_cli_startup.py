"""What a command imports before it can answer, and what surrounds it when it starts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

COMMAND = Path(sys.executable).with_name("glofgeo")


def glofgeo(*words, cwd=None):
    """Runs the installed command as a shell would."""
    return subprocess.run([COMMAND, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=600)


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
