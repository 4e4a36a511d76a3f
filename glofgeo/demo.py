"""The verb `demo`: the whole way on synthetic scenes, from polygons to a styled lake layer, without a network."""

import contextlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
from rich.console import Console
from rich.text import Text
from shapely.geometry import box

from datasets_def.aoi import read_aoi
from datasets_def.atomic import written_beside
from datasets_def.scene import Scene, open_scene
from datasets_def.synthetic.product import write_product
from glofgeo.config import TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.evaluation import Scorecard, evaluate, print_scorecard, write_scorecard
from glofgeo.inventory.geopackage import SIDECARS
from glofgeo.mapping.batch import map_scenes
from glofgeo.mapping.scene import map_scene
from glofgeo.models.bundled import BUNDLED, bundled_model
from glofgeo.models.predictor import load_model
from glofgeo.presets import PRESETS
from glofgeo.settings import from_dict
from glofgeo.terminal import one_line
from glofgeo.training import RunOptions, Sources, train_model

_SIZE = 1536  # pixels of each scene: some 15 km
# Left unused between the training and the validation area. A window of 252 pixels (2.5 km) beside the border sees the
# other area beyond it, but no loss or figure counts there; a gap of 2.5 km would leave the east 1.8 km wide.
_BUFFER_M = 1000
_MARK = "demo.json"
_PARTS = ("data", "new", BUNDLED, "run", "maps", ".glofgeo-cache")
_FIRST, _LATER = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC), datetime(2026, 10, 20, 4, 57, 1, tzinfo=UTC)


def run(out: Path) -> None:
    """Writes two places, one of them at two dates; maps the second at once, trains on the first, and maps it again.

    Args:
        out: folder for everything; what an earlier demo left there is replaced.

    Raises:
        GlofgeoError: If the folder holds something else or cannot be written.
    """
    _clear(out)
    try:
        _run(out, Console(soft_wrap=True))
    finally:
        with contextlib.suppress(OSError):
            _note_files(out)


def _run(out: Path, console: Console) -> None:
    console.print("[bold]1/5[/] writing synthetic scenes: one place to learn from, another at two dates to map")
    scene, lakes = write_product(out / "data" / "scenes", size=_SIZE, when=_FIRST, seed=0)
    lakes.rename(out / "data" / "lakes.gpkg")
    aoi = _write_aoi(open_scene(scene), out / "data" / "aoi.geojson")
    place = {"size": _SIZE, "lon": 90.25, "lat": 28.1, "seed": 2}
    new, reference = write_product(out / "new", when=_FIRST, **place)  # type: ignore[arg-type]
    later, _ = write_product(out / "new", when=_LATER, **place)  # type: ignore[arg-type]

    console.print("[bold]2/5[/] mapping the second place at once, with the model that comes with glofgeo")
    at_once = map_scene(new, bundled_model(), out=out / BUNDLED, progress=True)
    untrained = evaluate(out / BUNDLED / new.stem / "mask.tif", reference, scene=new)
    console.print(Text(f"  in {sum(at_once.record['seconds'].values()):.0f} s: {_one_line(untrained)}"))

    console.print("[bold]3/5[/] training the tiny model on the first place")
    config = from_dict(TrainConfig, PRESETS["demo"], "demo")
    sources = Sources(read_aoi(aoi), "demo", out / "data" / "scenes", out / "data" / "lakes.gpkg")
    trained = train_model(sources, config, out / "run", options=RunOptions(device="cpu", progress=True))

    console.print("[bold]4/5[/] mapping the second place at both dates with what was trained")
    maps, model = out / "maps", load_model(trained.best)
    report = map_scenes([new, later], model, out=maps, inventory=maps / "inventory.gpkg", progress=True)
    for error in report.failed.values():
        raise error

    console.print("[bold]5/5[/] scoring the first date against its reference lakes")
    card = evaluate(report.mapped[0] / "mask.tif", reference, scene=new)
    print_scorecard(card, console)
    write_scorecard(card, folder=out)
    validated = _count_lakes(out / "data" / "lakes.gpkg", aoi)
    for line in ("", *_figures(card, untrained, trained.iou, validated)):
        console.print(Text(line))
    console.print("These lakes and their terrain are simulated: the figures say that the parts work together,")
    console.print("nothing about skill in the Himalaya. Look at")
    for folder in report.mapped:
        console.print(Text(f"  {one_line(str(folder / 'overview.png'))}"))
    console.print(Text(one_line(f"and drag {report.mapped[0] / 'layers.qlr'} into QGIS: lakes, mask and probability.")))
    console.print(Text(one_line(f"{report.combined} has the lakes of both dates in one layer.")))


def _one_line(card: Scorecard) -> str:
    score, lakes = card.model, card.model.lakes[-1]
    iou = "no lakes there" if score.pixels.iou is None else f"lake IoU {score.pixels.iou:.2f}"
    found = f"{lakes.found} of {lakes.found + lakes.missed} lakes found at IoU {lakes.iou:g}"
    return f"{iou}, {found}, {score.stray} false lakes"


def _figures(card: Scorecard, at_once: Scorecard, validated: float, lakes: int) -> list[str]:
    """Says why the figure of the training and that of the map differ, and what the training was worth."""
    mapped, judged = card.model.pixels.iou, card.reference_lakes - card.not_observed - card.too_small
    bundled = at_once.model.pixels.iou
    if mapped is None or bundled is None:
        return []
    return [
        f"Lake IoU {validated:.2f} on validation, which chose the epoch: {lakes} lakes, so few that one moves it.",
        f"Lake IoU {mapped:.2f} on the second place: {judged} lakes that no training saw; this is the figure to quote.",
        f"Lake IoU {bundled:.2f} on the same lakes with the model that comes with glofgeo, without any training here.",
    ]


def _count_lakes(lakes: Path, aoi: Path) -> int:
    """Counts the lakes of the validation split."""
    splits = gpd.read_file(aoi)
    outlines = gpd.read_file(lakes).to_crs(splits.crs).geometry
    return int(outlines.intersects(splits.geometry[splits["split"] == "val"].union_all()).sum())


def _clear(out: Path) -> None:
    """Empties the folder of an earlier demo, which it knows by its mark, and no other."""
    try:
        there = _files(out) if out.exists() else []
        if there:
            ours = _noted(out)
            if ours is None:
                raise GlofgeoError(f"{out}: is not empty and no earlier demo", "name another folder", argument="out")
            # Programs that show a file put others beside it.
            others = sorted(name for name in {*there} - ours if not name.endswith((*SIDECARS, ".aux.xml")))
            if others:
                raise GlofgeoError(
                    f"{out / others[0]}: is from no earlier demo", "move it, or name another folder", argument="out"
                )
            for name in _PARTS:
                if (out / name).exists():
                    shutil.rmtree(out / name)
        out.mkdir(parents=True, exist_ok=True)
        _note_files(out)
    except OSError as error:
        raise GlofgeoError(
            f"{out}: cannot write there ({error.strerror})", "name another folder", argument="out"
        ) from None


def _note_files(out: Path) -> None:
    """Writes down what is there, all of it the demo's, so that the next one removes that and nothing else."""
    note = {"made_by": "glofgeo demo", "files": sorted({*_files(out), _MARK})}
    with written_beside(out / _MARK) as part:
        part.write_text(json.dumps(note, indent=0) + "\n")


def _noted(out: Path) -> set[str] | None:
    try:
        note = json.loads((out / _MARK).read_text())
        return {*note["files"]} if note["made_by"] == "glofgeo demo" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(out: Path) -> list[str]:
    """All files and links below a folder."""
    return [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_symlink() or not path.is_dir()]


def _write_aoi(scene: Scene, path: Path) -> Path:
    """The west of the scene trains, its east validates."""
    left, bottom, right, top = scene.grid.bounds
    border = left + 0.72 * (right - left)
    parts = [box(left, bottom, border, top), box(border + _BUFFER_M, bottom, right, top)]
    frame = gpd.GeoDataFrame(
        {"name": ["demo west", "demo east"], "split": ["train", "val"]}, geometry=parts, crs=scene.crs
    )  # fmt: skip
    frame.to_crs("EPSG:4326").to_file(path)
    return path
