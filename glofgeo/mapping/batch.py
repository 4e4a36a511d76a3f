"""The verb `map`: many scenes, each finished on its own, and one layer of all of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd

from datasets_def.scene import open_scene
from datasets_def.scene_search import find_scenes
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import combine_lakes, write_lakes
from glofgeo.inventory import require_replaceable as require_replaceable_layer
from glofgeo.mapping.progress import windows_progress
from glofgeo.mapping.scene import Job, OffSceneError, load_model, make_inference, plan_scene, run_job
from glofgeo.mapping.scene_folder import (
    CLOUDS_NOT_MASKED,
    CannotWriteError,
    is_done,
    read_record,
    require_replaceable,
    writing,
)
from glofgeo.models.header import Header

if TYPE_CHECKING:
    from glofgeo.mapping.scene import Segmenter

COMBINED = "lakes.gpkg"


@dataclass
class Report:
    """What became of each scene.

    Attributes:
        mapped: folders made now.
        kept: folders that held the same map already.
        outside: scenes that the area of interest does not meet.
        failed: scene and what went wrong with it.
        combined: the layer of all lakes, where there is more than one map.
    """

    mapped: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    outside: list[Path] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    combined: Path | None = None


def list_scenes(words: list[str]) -> list[Path]:
    """Finds the scenes that the words of `--scene` name: scenes, folders of scenes, or `@list.txt` with one a line.

    Raises:
        GlofgeoError: If a list or a folder names none.
    """
    paths: list[Path] = []
    for word in words:
        if word.startswith("@"):
            paths += _read_list(Path(word[1:]))
        elif Path(word).is_dir():
            paths += find_scenes(word)
        else:
            paths.append(Path(word))
    return list(dict.fromkeys(paths))


def map_scenes(
    paths: list[Path],
    model: "Segmenter | Path",
    checkpoint: Header,
    out: Path,
    *,
    aoi: gpd.GeoDataFrame | None = None,
    settings: MapConfig = MapConfig(),  # noqa: B008 (frozen)
    device: str = "auto",
    overwrite: bool = False,
    offset: float | None = None,
) -> Report:
    """Maps scenes one after the other; one that fails does not stop the others.

    A scene whose folder holds the map of the same files, checkpoint, area and settings is not mapped again.

    Args:
        paths: the scenes.
        model: a checkpoint's network, a loaded ONNX file, or the path of either, loaded once a scene has to be mapped.
        checkpoint: what the model's file says of itself.
        out: folder of all maps.
        aoi: map only within these polygons.
        settings: how to map.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: map again what is there already.
        offset: see `open_scene`.

    Raises:
        GlofgeoError: If two scenes would share a folder, a folder or layer to be written is not glofgeo's own, the
            device is not there, or the output cannot be written.
    """
    report = Report()
    jobs = _plan(paths, model, checkpoint, aoi, settings, offset, report)
    to_do = []
    for job in jobs:
        if not overwrite and is_done(out / job.scene.id, job.fingerprint):
            report.kept.append(out / job.scene.id)
        else:
            to_do.append(job)
    with writing(out):
        for job in to_do:
            require_replaceable(out / job.scene.id)
        if len(jobs) > 1:
            require_replaceable_layer(out / COMBINED)
    if to_do:
        infer = make_inference(_network(model, checkpoint), settings, device, to_do[0].plan.window)
        with windows_progress(sum(len(job.plan) for job in to_do)) as (name, advance):
            for number, job in enumerate(to_do, 1):
                name(f"{number}/{len(to_do)} {job.scene.id}" if len(to_do) > 1 else job.scene.id)
                try:
                    report.mapped.append(run_job(job, infer, out, checkpoint, settings, advance))
                except CannotWriteError:
                    raise
                except Exception as error:
                    report.failed[str(job.scene.path)] = error
    folders = sorted(report.mapped + report.kept)
    if len(folders) > 1:
        report.combined = _combine(folders, out)
    return report


def summary(folder: Path) -> str:
    """One line on a scene's map, as its record has it."""
    record = read_record(folder)
    count, area = record["lakes"], record["lake_area_m2"] / 1e6
    clouds = "" if record["cloud_mask"] else f"; {CLOUDS_NOT_MASKED}"
    lakes = f"{count} lake{'' if count == 1 else 's'}, {area:.3g} km²"
    return f"{lakes}, {record['observed_share']:.0%} observed{clouds}"


def _network(model: "Segmenter | Path", checkpoint: Header) -> "Segmenter":
    if not isinstance(model, Path):
        return model
    network, header = load_model(model)
    if header.sha256 != checkpoint.sha256:
        raise GlofgeoError(f"{model}: was written anew while the scenes were looked at; start again")
    return network


def _plan(
    paths: list[Path],
    model: "Segmenter | Path",
    checkpoint: Header,
    aoi: gpd.GeoDataFrame | None,
    settings: MapConfig,
    offset: float | None,
    report: Report,
) -> list[Job]:
    # On macOS and Windows, names that differ in case are one.
    jobs: dict[str, Job] = {}
    for path in paths:
        try:
            scene = open_scene(path, checkpoint.config.model.bands, offset=offset)
            job = plan_scene(scene, model, checkpoint, aoi, settings)
        except OffSceneError as error:
            report.outside.append(path)
            if len(report.outside) == len(paths):
                raise OffSceneError(str(error)) from None
        except Exception as error:
            report.failed[str(path)] = error
        else:
            if scene.id.casefold() == COMBINED:
                raise GlofgeoError(f"{path}: its name, {scene.id}, is that of the layer of all lakes; rename the scene")
            twin = jobs.setdefault(scene.id.casefold(), job)
            if twin is not job:
                raise GlofgeoError(
                    f"{path}: has the same name as {twin.scene.path}, and both would write the folder {scene.id}; "
                    "rename one, or map them with different --out"
                )
    return list(jobs.values())


def _combine(folders: list[Path], out: Path) -> Path:
    """Writes the lakes of all maps as one layer, in which a lake seen by several scenes of a date occurs once."""
    path = out / COMBINED
    open_sky = sum(read_record(folder).get("cloud_mask") is False for folder in folders)
    note = f"{open_sky} of {len(folders)} scenes: {CLOUDS_NOT_MASKED}" if open_sky else ""
    with writing(out):
        lakes = combine_lakes([gpd.read_file(folder / "lakes.gpkg", layer="lakes") for folder in folders])
        write_lakes(path, lakes, note)
    return path


def _read_list(path: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise GlofgeoError(f"{path}: cannot be read as a list of scenes ({error})") from None
    paths = [Path(line) for line in lines if line and not line.startswith("#")]
    if not paths:
        raise GlofgeoError(f"{path}: lists no scene; write one path a line")
    return paths
