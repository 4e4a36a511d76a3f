"""What training looks at: zones, dates, leaks, dates of lakes, damaged scenes."""

import json
from datetime import UTC, datetime

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas import GeoDataFrame
from shapely import Point, box

from datasets_def import open_scene
from datasets_def.reproject import to_degrees
from datasets_def.synthetic.product import write_product
from glofgeo import cli
from glofgeo.config import DataConfig, ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.training.datamodule import LakeData
from glofgeo.training.sources import Sources
from glofgeo.training.survey import region_of, survey

SIDE, WINDOW = 400, 112
FIRST, LATER = datetime(2022, 10, 15, 4, 57, 1, tzinfo=UTC), datetime(2024, 10, 20, 4, 57, 1, tzinfo=UTC)
LON, LAT = 84.0, 28.0  # where zones 44 and 45 meet


def config(seed=0, **more):
    data = {"window": WINDOW, "batch_size": 2, "crops": 24, "workers": 0, "block_deg": 0.02, "buffer_m": 300.0}
    own = {name: more.pop(name) for name in ("lake_years", "crops") if name in more}
    return TrainConfig(model=ModelConfig("tiny"), data=DataConfig(**(data | own)), weights="none", seed=seed, **more)


def load(folder, aoi, settings, scenes="scenes"):
    sources = Sources(aoi, "here", folder / scenes, folder / "lakes.gpkg")
    data = LakeData(survey(sources, settings), settings, folder / "cache")
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.fixture(scope="module")
def border(tmp_path_factory):
    """Products of zones 44N and 45N that show the same ground, the second at two dates, and its lakes."""
    folder = tmp_path_factory.mktemp("border")
    layers = []
    for lon, when in ((LON - 0.001, FIRST), (LON + 0.001, FIRST), (LON + 0.001, LATER)):
        _product, lakes = write_product(folder / "scenes", size=SIDE, lon=lon, lat=LAT, when=when, seed=3)
        layers.append(gpd.read_file(lakes).to_crs("EPSG:4326"))
        lakes.unlink()
    zones = {open_scene(path).crs.to_epsg() for path in (folder / "scenes").glob("*.SAFE")}
    assert zones == {32644, 32645}
    # One zone's lakes serve as the inventory of the ground that both show.
    layers[0].drop(columns="date").to_file(folder / "lakes.gpkg")
    area = layers[0].total_bounds
    return folder, GeoDataFrame(geometry=[box(*area).buffer(0.003)], crs="EPSG:4326")


def halves(area, overlap=0.0):
    west, south, east, north = area.total_bounds
    middle = (west + east) / 2
    parts = [box(west, south, middle + overlap, north), box(middle, south, east, north)]
    return GeoDataFrame({"split": ["train", "val"]}, geometry=parts, crs="EPSG:4326")


def test_a_planted_leak_is_found_across_zones_and_dates(border):
    folder, area = border
    leaking = halves(area, overlap=0.008)
    with pytest.raises(GlofgeoError, match=r"split train and val overlap"):
        load(folder, leaking, config())
    data = load(folder, leaking, config(allow_leaks=True))
    assert any("overlap" in text for text in data.survey.audit.violations)
    assert any("lakes are both in train and in val" in text for text in data.survey.audit.violations)
    torn = halves(area).assign(place=["Imja", "Imja"])
    with pytest.raises(GlofgeoError, match="place Imja is both train and val"):
        load(folder, torn, config())
    assert load(folder, torn, config(allow_leaks=True)).survey.audit.violations == (
        "AOI place Imja is both train and val",
    )


def seen_pixels(data, loader):
    """Centres of the pixels that count, on one metric grid, and of the lake pixels among them."""
    dataset, points, lake = loader.dataset, [], []
    places = list(loader.sampler) if loader.sampler is data.train_sampler else range(len(dataset))
    for place in places:
        sample = dataset[place]
        if loader.sampler is data.train_sampler:
            scene, row, col = place
            rows = cols = slice(0, WINDOW)
        else:
            area = data.plans[sample["place"][0]]
            plan = area.plan
            rows, cols = plan.on_grid
            row = area.row + plan.tops[sample["place"][1]] - rows.start
            col = area.col + plan.lefts[sample["place"][2]] - cols.start
            scene = area.scene
        mask = sample["mask"].numpy()
        at = np.argwhere(mask != 255)
        x, y = data.opened[scene].transform * (col + at[:, 1] + 0.5, row + at[:, 0] + 0.5)
        frame = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=data.opened[scene].crs).to_crs("EPSG:32645")
        points.append(np.column_stack([frame.x, frame.y]))
        lake.append(mask[mask != 255] == 1)
    return np.concatenate(points), np.concatenate(lake)


def test_buffered_blocks_do_not_leak_across_zones_and_dates(border):
    folder, area = border
    data = load(folder, area, config())
    assert data.survey.audit.violations == () and "blocks" in data.survey.audit.how
    assert len(data.survey.used) == 3
    buffer = data.survey.audit.distance_m["train-val"]
    assert buffer >= 295
    (learned, lakes), (judged, judged_lakes) = (
        seen_pixels(data, x) for x in (data.train_dataloader(), data.val_dataloader())
    )
    from scipy.spatial import cKDTree

    nearest = cKDTree(judged).query(learned)[0].min()
    # A pixel reaches half its diagonal beyond its centre, and UTM stretches by 0.04 % at its middle.
    assert nearest >= buffer * 0.999 - 15
    inventory = gpd.read_file(folder / "lakes.gpkg").to_crs("EPSG:32645")
    held = [
        set(inventory.sindex.query(gpd.points_from_xy(*points[lake].T), predicate="intersects")[1])
        for points, lake in ((learned, lakes), (judged, judged_lakes))
    ]
    assert held[0] and held[1] and not held[0] & held[1]


def test_no_pixel_differs_from_the_products_own(border):
    folder, area = border
    data = load(folder, area, config(crops=40))
    scenes = [view.scene for view in data.survey.used]
    whole = {scene.id: open_scene(scene.path) for scene in scenes}
    dates, zones = set(), set()
    for crop in data.train_sampler:
        scene = scenes[crop.scene]
        copy = data.opened[crop.scene]
        own = whole[scene.id]
        col, row = (round(value) for value in ~own.transform * (copy.transform * (crop.col, crop.row)))
        expected = np.zeros((4, WINDOW, WINDOW), np.float32)
        rows, cols = (slice(max(at, 0), min(at + WINDOW, SIDE)) for at in (row, col))
        part = own.read()[:, rows, cols]
        expected[:, rows.start - row : rows.stop - row, cols.start - col : cols.stop - col] = part
        sample = data.train_dataloader().dataset[crop]
        seen = sample["mask"].numpy() != 255
        assert np.array_equal(sample["image"].numpy()[:, seen], expected[:, seen])
        valid = np.zeros((WINDOW, WINDOW), bool)
        valid[rows.start - row : rows.stop - row, cols.start - col : cols.stop - col] = own.valid()[rows, cols]
        assert not (seen & ~valid).any()  # clouds hide lakes; they do not make land of them
        dates.add(own.datetime)
        zones.add(own.crs.to_epsg())
    assert len(dates) == 2 and zones == {32644, 32645}


def test_scenes_that_training_sees_too_are_told(border):
    folder, area = border
    assert load(folder, halves(area), config()).survey.audit.scene_overlap == {"val": 1.0}


def test_lakes_mapped_in_other_years_are_neither_learned_nor_judged(border):
    folder, area = border
    lakes = gpd.read_file(folder / "lakes.gpkg")
    dated = folder / "dated"
    dated.mkdir(exist_ok=True)
    middle = area.total_bounds[[1, 3]].mean()
    old = lakes.geometry.representative_point().y > middle
    years = np.where(old, 1990.0, 2022.0)
    years[np.flatnonzero(old)[0]] = np.nan
    lakes.assign(year=years).to_file(dated / "lakes.gpkg")
    (dated / "scenes").symlink_to(folder / "scenes") if not (dated / "scenes").exists() else None
    data = load(dated, halves(area), config(lake_years=3.0))
    kept = {lake for area in data.train_sampler.areas for lake in area.lakes.index}
    assert kept and not kept & set(lakes.index[old])
    assert data.survey.audit.lakes_undated == 1
    stale = lakes[old].to_crs("EPSG:32645").buffer(90).union_all()
    points, _ = seen_pixels(data, data.val_dataloader())
    assert not shapely.contains_xy(stale, *points.T).any()
    with pytest.raises(GlofgeoError, match="no column says when"):
        load(folder, halves(area), config(lake_years=3.0))


@pytest.fixture
def ten(tmp_path, write_raster):
    """Ten scenes side by side, nine rasters and a product, with a lake each."""
    rng, lakes, boxes = np.random.default_rng(0), [], []
    (tmp_path / "scenes").mkdir()
    for number in range(9):
        left = 492000 + 3000 * number
        image = rng.integers(1500, 2500, (4, 200, 120)).astype(np.uint16)
        write_raster(tmp_path / "scenes" / f"scene{number}.tif", image, origin=(left, 3090000), scale=1e-4)
        lakes.append(Point(left + 600, 3089400).buffer(80))
        boxes.append(box(left, 3088800, left + 1200, 3090000))
    gpd.GeoDataFrame(geometry=lakes, crs="EPSG:32645").to_file(tmp_path / "lakes.gpkg")
    product, _ = write_product(tmp_path / "scenes", size=300, lon=87.0, lat=27.85, when=FIRST, seed=3)
    split = ["train"] * 5 + ["val"] * 4
    everywhere = box(480000, 3070000, 700000, 3095000)
    return tmp_path, GeoDataFrame({"split": split}, geometry=boxes, crs="EPSG:32645"), product, everywhere


def cut_raster(folder, product):
    path = folder / "scenes" / "scene3.tif"
    path.write_bytes(path.read_bytes()[:-4000])
    return path.name


def cut_band(folder, product):
    path = next(product.rglob("*_B04_10m.jp2"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return product.name


def harm_band(folder, product):
    path = next(product.rglob("*_B04_10m.jp2"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    return product.name


def lose_band(folder, product):
    next(product.rglob("*_B08_10m.jp2")).unlink()
    return product.name


def lose_metadata(folder, product):
    (product / "MTD_MSIL2A.xml").write_text("<broken")
    return product.name


@pytest.mark.parametrize("damage", [cut_raster, cut_band, harm_band, lose_band, lose_metadata])
def test_one_damaged_scene_of_ten_is_named_and_may_be_left_out(ten, damage):
    folder, aoi, product, everywhere = ten
    aoi = pd.concat(
        [aoi, GeoDataFrame({"split": ["train"]}, geometry=[everywhere - aoi.union_all().buffer(500)], crs=aoi.crs)]
    )
    name = damage(folder, product)
    with pytest.raises(GlofgeoError, match=rf"1 of 10 scenes cannot be used: {name}"):
        load(folder, aoi, config())
    data = load(folder, aoi, config(skip_damaged=True))
    assert list(data.survey.audit.damaged) == [name] and len(data.survey.scene_ids) == 9


def test_the_command_line_goes_on_with_the_nine(ten, monkeypatch, capsys):
    folder, aoi, product, _ = ten
    name = cut_raster(folder, product)
    aoi.to_file(folder / "aoi.gpkg")
    words = [
        "train",
        "--config",
        "demo",
        "--aoi",
        "aoi.gpkg",
        "--scenes",
        "scenes",
        "--lakes",
        "lakes.gpkg",
        "--out",
        "run",
        "--device",
        "cpu",
    ]
    words += ["--epochs", "1", "--data.crops", "2", "--data.window", "56", "--model.image-size", "56"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["glofgeo", *words])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert name in capsys.readouterr().err and not (folder / "run").exists()
    monkeypatch.setattr("sys.argv", ["glofgeo", *words, "--skip-damaged"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert f"Damaged scene, left out: {name}" in capsys.readouterr().out
    assert list(json.loads((folder / "run" / "split.json").read_text())["damaged"]) == [name]
    assert json.loads((folder / "run" / "scorecard.json").read_text())["model"]["pixels"]["tn"] > 0


@pytest.mark.parametrize(("crs", "unit"), [(32632, 1.0), (4326, 1 / 111_320), (2264, 3937 / 1200)])
def test_what_lies_around_a_stale_lake_is_left_out_by_metres_in_any_unit(tmp_path, write_raster, crs, unit):
    middle = {32632: (500_000, 1_000_000), 4326: (9.0, 0.0), 2264: (1_500_000, 700_000)}[crs]
    origin = (middle[0] - 1000 * unit, middle[1] + 1000 * unit)
    image = np.full((4, 40, 40), 800, np.uint16)
    path = write_raster(tmp_path / "x.tif", image, crs=f"EPSG:{crs}", origin=origin, pixel=50 * unit)
    scene = open_scene(path)
    old = GeoDataFrame(geometry=[Point(middle).buffer(100 * unit)], crs=scene.crs)
    old = old.set_geometry(to_degrees(old.geometry))
    region = region_of(scene.grid.footprint, scene, old)
    missing = (scene.outline.area - region.area) / unit**2
    assert missing == pytest.approx(np.pi * 200**2, rel=0.03)
