"""Scorecards replace nothing but scorecards, and names in them are text."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest
import shapely
from geopandas import GeoDataFrame
from rich.console import Console

from datasets_def import open_scene
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import evaluate, print_scorecard, require_place, write_scorecard

NASTY = "[/b] <img src=x> a|b $x_{$ \\ _em_ #1\n\x1b[31m\udcff.gpkg"


@pytest.fixture
def card(tmp_path, write_raster):
    image = np.full((4, 40, 40), 1500, np.uint16)
    scene = open_scene(write_raster(tmp_path / "scene.tif", image, scale=1e-4))
    mask = write_raster(tmp_path / "mask.tif", (image[:1] > 2000).astype(np.uint8), bands=("mask",), nodata=255)
    reference = tmp_path / "reference.gpkg"
    GeoDataFrame(geometry=[shapely.box(300050, 3099800, 300150, 3099900)], crs="EPSG:32645").to_file(reference)
    return evaluate(mask, reference, scene=scene)


def test_names_are_text_in_every_form(card, tmp_path):
    nasty = dataclasses.replace(card, prediction=NASTY, reference=NASTY, notes=(NASTY,), grid=NASTY)
    screen = io.StringIO()
    print_scorecard(nasty, Console(file=screen, width=500))
    shown = "[/b] <img src=x> a|b $x_{$ \\ _em_ #1 \ufffd[31m\ufffd.gpkg"
    assert " ".join(screen.getvalue().split()).count(shown) == 4  # the title wraps
    write_scorecard(nasty, folder=tmp_path / "card")
    text = (tmp_path / "card" / "scorecard.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "img" in line]
    assert len(lines) == 3
    for line in lines:
        assert not re.search(r"(?<!\\)[<|\[$]", line)
        assert "_em\\_" in line and "\\\\" in line
    assert json.loads((tmp_path / "card" / "scorecard.json").read_text())["notes"] == [NASTY]


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_name_that_the_font_cannot_write_is_no_warning(card, tmp_path):
    write_scorecard(dataclasses.replace(card, reference="氷河湖.gpkg"), folder=tmp_path / "card")


def test_good_names_stay_readable_in_markdown(card, tmp_path):
    good = dataclasses.replace(card, prediction="S2A_MSIL2A_20241015T045701 (mask.tif)")
    write_scorecard(good, folder=tmp_path / "card")
    assert "# S2A_MSIL2A_20241015T045701 (mask.tif) against" in (tmp_path / "card" / "scorecard.md").read_text()


def test_a_scorecard_replaces_a_scorecard(card, tmp_path):
    for _ in range(2):
        write_scorecard(card, tmp_path / "card.json", folder=tmp_path / "card")
    assert len(list((tmp_path / "card").iterdir())) == 3


@pytest.mark.parametrize("content", ["mine", "[]", '{"model": 1}', None])
def test_what_is_no_scorecard_stays(card, tmp_path, content):
    files = [tmp_path / "mine.json", tmp_path / "card" / "scorecard.json", tmp_path / "card" / "scorecard.png"]
    for path in files:
        path.parent.mkdir(exist_ok=True)
        if content is None:
            write_scorecard(card, tmp_path / "other.json")
            path.symlink_to(tmp_path / "other.json")
        else:
            path.write_text(content)
        where = {"path": path} if path.name == "mine.json" else {"folder": path.parent}
        with pytest.raises(GlofgeoError, match="is not a scorecard") as refusal:
            require_place(**where)
        assert refusal.value.argument == ("json" if "path" in where else "out")
        with pytest.raises(GlofgeoError, match=re.escape(path.name)):
            write_scorecard(card, **where)
        assert path.is_symlink() if content is None else path.read_text() == content
        path.unlink()
