"""What would make figures better or worse than the map is, without a word, is refused, left out or noted."""

import dataclasses
import json
from datetime import UTC, datetime

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import evaluate


def test_what_an_analyst_has_rejected_is_no_reference_lake(place):
    known = gpd.read_file(place / "reference.gpkg")
    known.assign(review=["accept", " Reject", None]).to_file(place / "reviewed.gpkg")
    known.iloc[[0, 2]].to_file(place / "without.gpkg")
    reviewed, without = (evaluate(place / "mask.tif", place / name) for name in ("reviewed.gpkg", "without.gpkg"))
    assert reviewed.model == without.model
    assert reviewed.reference_lakes == 2


def test_what_an_analyst_has_rejected_in_the_map_is_no_false_lake(place):
    drawn = gpd.read_file(place / "reference.gpkg").to_crs("EPSG:32645")
    elsewhere = drawn.geometry.translate(200, 0).iloc[:1]
    both = gpd.GeoDataFrame({"review": ["accept"] * len(drawn) + ["reject"]}, geometry=[*drawn.geometry, *elsewhere])
    both.set_crs(drawn.crs).to_file(place / "lakes.gpkg")
    assert evaluate(place / "lakes.gpkg", place / "reference.gpkg").model.lakes[0].false == 0


def test_a_dissolved_layer_is_noted(place):
    lakes = gpd.read_file(place / "reference.gpkg")
    first = lakes.geometry[0]
    ponds = [first, *(shapely.affinity.translate(first.centroid.buffer(1e-5), 0, -1e-4 * n) for n in range(10, 22))]
    gpd.GeoDataFrame(geometry=[shapely.MultiPolygon(ponds)], crs=lakes.crs).to_file(place / "dissolved.gpkg")
    noted = [evaluate(place / "mask.tif", place / f"{name}.gpkg").notes for name in ("reference", "dissolved")]
    assert ["parts" in " ".join(notes) for notes in noted] == [False, True]


def test_a_scene_of_another_date_than_the_map_is_refused_and_a_renamed_one_is_not(place, scene):
    acquired = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)
    own = dataclasses.replace(scene, datetime=acquired)
    (place / "run.json").write_text(json.dumps({"scene": "another name", "acquired": acquired.isoformat()}))
    assert evaluate(place / "mask.tif", place / "reference.gpkg", scene=own).scene == scene.id
    (place / "run.json").write_text(json.dumps({"acquired": acquired.replace(year=2023).isoformat()}))
    with pytest.raises(GlofgeoError, match="was mapped from a scene of 2023"):
        evaluate(place / "mask.tif", place / "reference.gpkg", scene=own)


def test_what_flatters_or_is_not_known_is_noted(place):
    (place / "run.json").write_text('{"scene_in_training": true}')
    assert "trained on this scene" in " ".join(evaluate(place / "mask.tif", place / "reference.gpkg").notes)
    lone = place / "elsewhere.gpkg"
    gpd.read_file(place / "reference.gpkg").to_crs("EPSG:32645").buffer(20).to_file(lone)
    (place / "mask.tif").unlink()
    (place / "probability.tif").unlink()
    card = evaluate(lone, place / "reference.gpkg")
    assert card.observed_share is None
    assert "nothing tells what was observed" in " ".join(card.notes)
    card = evaluate(lone, place / "reference.gpkg", aoi=gpd.read_file(place / "reference.gpkg"))
    assert "reference lakes fill" in " ".join(card.notes)


@pytest.mark.parametrize("which", ["prediction", "reference"])
def test_lakes_of_several_dates_in_one_layer_are_refused(place, which):
    lakes = gpd.read_file(place / "reference.gpkg")
    days = pd.concat([lakes.assign(acq_datetime=day) for day in ("2022-06-15", "2023-06-15")])
    days.to_file(place / "days.gpkg")
    pair = {"prediction": place / "mask.tif", "reference": place / "reference.gpkg"} | {which: place / "days.gpkg"}
    with pytest.raises(GlofgeoError, match=r"days\.gpkg: holds lakes of several dates in one place"):
        evaluate(pair["prediction"], pair["reference"])
