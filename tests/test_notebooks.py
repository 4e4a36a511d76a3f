"""The notebook runs from top to bottom, as a reader would run it."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run_cells(path):
    """Runs the code cells one after another; gives what each would show."""
    names, shown = {"__name__": "__main__"}, []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        *steps, last = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module([*steps], []), path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
        else:
            exec(compile(ast.Module([last], []), path.name, "exec"), names)
    return names, shown


@pytest.fixture
def demo(tmp_path, product, checkpoint, monkeypatch):
    """What `glofgeo demo` leaves, as far as the notebook uses it, seen from the folder of the notebooks."""
    scene, lakes = product
    for name in ("demo/new", "demo/run", "notebooks"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "demo/new" / scene.name).symlink_to(scene)
    (tmp_path / "demo/new" / lakes.name).symlink_to(lakes)
    (tmp_path / "demo/run" / "best.safetensors").symlink_to(checkpoint)
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def test_the_notebook_maps_shows_and_evaluates_a_scene(demo, capfd):
    names, shown = run_cells(ROOT / "notebooks" / "map_a_scene.ipynb")
    lake_map, web_map, table, total, _, figures = shown
    assert capfd.readouterr() == ("", "")
    assert len(lake_map.lakes) and "lake" in lake_map._repr_html_()
    assert "geojson" in web_map._repr_html_().lower()
    assert list(table.area_m2) == sorted(table.area_m2, reverse=True)
    assert total.startswith(f"{len(lake_map.lakes)} lakes, ")
    assert all(0 <= iou <= 1 for iou in figures)
    assert lake_map.folder is None and names["kept"].folder.is_dir()
    assert (names["kept"].probability == lake_map.probability).all()


def test_notebooks_are_kept_without_output():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs") and not cell.get("execution_count"), path.name
