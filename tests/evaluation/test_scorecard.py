import dataclasses
import json
from io import StringIO

import geopandas as gpd
import pytest
import shapely
from PIL import Image
from rich.console import Console

from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import blocks, evaluate, print_scorecard, write_scorecard

LEFT, TOP = 300000, 3100000


def block(left, top, right, bottom):
    """A polygon from pixel edges."""
    return shapely.box(LEFT + 10 * left, TOP - 10 * bottom, LEFT + 10 * right, TOP - 10 * top)


def test_a_scorecard_survives_json_and_names_no_machine(place, scene):
    card = evaluate(place / "probability.tif", place / "reference.gpkg", scene=scene)
    values = card.to_dict()
    write_scorecard(card, place / "out" / "card.json")
    text = (place / "out" / "card.json").read_text()
    assert json.loads(text) == values
    assert [path.name for path in (place / "out").iterdir()] == ["card.json"]
    assert str(place) not in text
    assert values["model"]["iou"] == pytest.approx(100 / 286)
    assert values["ndwi"]["pixels"]["tp"] == 100
    assert (values["prediction"], values["reference"], values["threshold"]) == (
        "probability.tif",
        "reference.gpkg",
        0.5,
    )


def test_a_scorecard_that_cannot_be_written_leaves_nothing(place):
    (place / "taken").mkdir()
    before = sorted(place.iterdir())
    for target in (place / "taken", place / "mask.tif" / "card.json"):
        with pytest.raises(GlofgeoError, match=r"cannot be written|is not a scorecard"):
            write_scorecard(evaluate(place / "mask.tif", place / "reference.gpkg"), target)
    assert sorted(place.iterdir()) == before


def test_the_table_shows_both_methods_and_what_is_undefined(place, scene):
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    area = gpd.GeoDataFrame(geometry=[block(45, 0, 60, 30)], crs="EPSG:32645")
    print_scorecard(evaluate(place / "mask.tif", place / "reference.gpkg", scene=scene, aoi=area), console)
    text = console.export_text()
    assert "NDWI > 0" in text
    assert "–" in text
    assert "1.000" in text


def test_four_methods_fit_80_columns_and_the_first_keeps_its_intervals(place, scene, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_METRES", 100.0)
    one = evaluate(place / "probability.tif", place / "reference.gpkg", scene=scene, ndwi_threshold=-0.2750001)
    card = dataclasses.replace(one, unet=one.model, ndwi_origin="best on train")
    texts = {}
    for width in (80, 130):
        console = Console(record=True, width=width, file=StringIO())
        print_scorecard(card, console)
        texts[width] = console.export_text()
    assert max(map(len, texts[80].splitlines())) <= 80
    rows = {width: next(row for row in text.splitlines() if " IoU " in row) for width, text in texts.items()}
    low, high = card.model.intervals["iou"]
    assert [row.count(f"0.350 ({low:.3f}, {high:.3f})") for row in rows.values()] == [1, 2]
    assert [row.count("0.350") for row in rows.values()] == [2, 2]
    assert "…" not in texts[80]


def test_a_folder_gets_the_scorecard_as_figures_text_and_picture(place, scene):
    card = evaluate(place / "probability.tif", place / "reference.gpkg", scene=scene, ndwi_threshold=0.3)
    write_scorecard(card, folder=place / "out")
    assert sorted(path.name for path in (place / "out").iterdir()) == [f"scorecard.{k}" for k in ("json", "md", "png")]
    assert json.loads((place / "out" / "scorecard.json").read_text()) == card.to_dict()
    text = (place / "out" / "scorecard.md").read_text()
    assert f"| IoU | {100 / 286:.3f} |" in text
    assert "NDWI > 0.3 (given)" in text
    assert str(place) not in text
    tables = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(tables) == {5, 6}
    with Image.open(place / "out" / "scorecard.png") as picture:
        assert picture.size == (1500, 440)


def test_the_model_is_named_that_the_record_of_a_map_names(place):
    def models(record, prediction="mask.tif"):
        (place / "run.json").write_text(record)
        return evaluate(place / prediction, place / "reference.gpkg").to_dict()["models"]

    record = json.dumps({"model": str(place / "runs" / "best.safetensors"), "checkpoint_sha256": "ab" * 32})
    assert models(record) == [{"name": "runs/best.safetensors", "sha256": "ab" * 32, "note": None}]
    write_scorecard(evaluate(place / "mask.tif", place / "reference.gpkg"), folder=place / "out")
    assert "- Model: runs/best.safetensors, SHA-256 abababababab…" in (place / "out" / "scorecard.md").read_text()
    (place / "mask.tif").rename(place / "mask_of_another.tif")
    assert models(record, "mask_of_another.tif") == []
    for damaged in ("", "[]", "{}", '{"model": 1, "checkpoint_sha256": 2}'):
        assert models(damaged, "probability.tif") == []


def test_a_map_without_a_lake_and_without_reference_can_be_drawn(place):
    area = gpd.GeoDataFrame(geometry=[block(45, 0, 60, 30)], crs="EPSG:32645")
    write_scorecard(evaluate(place / "probability.tif", place / "reference.gpkg", aoi=area), folder=place / "out")
    assert (place / "out" / "scorecard.png").stat().st_size > 1000
