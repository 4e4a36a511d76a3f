"""The verb `map`: a batch of scenes, each finished on its own, and one layer of all of them."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import geopandas as gpd

from datasets_def.bands import require_dem
from datasets_def.scene import open_scene
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import combine_files
from glofgeo.inventory import require_replaceable as require_replaceable_layer
from glofgeo.mapping.catalogue import COLLECTION, write_catalogue
from glofgeo.mapping.inventory_update import add_to_inventory, require_inventory
from glofgeo.mapping.job import Job, OffSceneError, plan_scene
from glofgeo.mapping.progress import windows_progress
from glofgeo.mapping.scene import run_job
from glofgeo.mapping.scene_folder import (
    CLOUDS_NOT_MASKED,
    CannotWriteError,
    is_done,
    read_record,
    require_replaceable,
    sweep,
    writing,
)
from glofgeo.mapping.scene_list import SceneSource, absolute, name_of
from glofgeo.mapping.surroundings import Surroundings
from glofgeo.models.predictor import Predictor
from glofgeo.stac import require_replaceable as require_replaceable_document

if TYPE_CHECKING:
    from glofgeo.inference.batches import Batcher

COMBINED = "lakes.gpkg"


@dataclass(frozen=True)
class Outcome:
    """What became of one scene.

    Attributes:
        scene: its path, address without signature, or the id of its STAC item.
        state: `mapped` now, `kept` as it was mapped before, `outside` the area of interest, or `failed`.
        folder: of its map, if there is one.
        error: what went wrong.
    """

    scene: Path | str
    state: Literal["mapped", "kept", "outside", "failed"]
    folder: Path | None = None
    error: Exception | None = None


@dataclass
class Report:
    """What became of a batch.

    Attributes:
        tell: receives what became of each scene as soon as it is known.
        outcomes: one for each scene, in the order in which they were known.
        combined: the layer of all lakes, where there is more than one map.
        stale: such a layer of an earlier call, which this one of a single scene has left as it was.
        inventory: what the maps were added to, if anything.
    """

    tell: Callable[[Outcome], None] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    combined: Path | None = None
    stale: Path | None = None
    inventory: Path | None = None

    def add(self, outcome: Outcome) -> None:
        """Notes what became of a scene."""
        self.outcomes.append(outcome)
        if self.tell:
            self.tell(outcome)

    @property
    def mapped(self) -> list[Path]:
        """Folders made now."""
        return self._folders("mapped")

    @property
    def kept(self) -> list[Path]:
        """Folders that held the same map already."""
        return self._folders("kept")

    @property
    def outside(self) -> list[Path | str]:
        """Scenes that the area of interest does not meet."""
        return [outcome.scene for outcome in self.outcomes if outcome.state == "outside"]

    @property
    def failed(self) -> dict[str, Exception]:
        """Scenes, and what went wrong with them."""
        return {str(outcome.scene): outcome.error for outcome in self.outcomes if outcome.error}

    def _folders(self, state: str) -> list[Path]:
        return [outcome.folder for outcome in self.outcomes if outcome.state == state and outcome.folder]


def map_scenes(  # noqa: PLR0913
    paths: Sequence[SceneSource],
    predictor: Predictor,
    *,
    out: Path,
    aoi: gpd.GeoDataFrame | None = None,
    settings: MapConfig = MapConfig(),  # noqa: B008 (frozen)
    device: str = "auto",
    overwrite: bool = False,
    offset: float | None = None,
    surroundings: Surroundings | None = None,
    dask: str | None = None,
    inventory: Path | None = None,
    progress: bool = False,
    tell: Callable[[Outcome], None] | None = None,
) -> Report:
    """Maps scenes one after the other, or side by side on a cluster; one that fails does not stop the others.

    A scene whose folder holds the map of the same files, model, area and settings is not mapped again.

    Args:
        paths: the scenes.
        predictor: the model; its network is loaded once a scene has to be mapped.
        out: folder of all maps.
        aoi: map only within these polygons.
        settings: how to map.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: map again what is there already.
        offset: see `open_scene`.
        surroundings: DEM and glacier outlines, for further columns of the layers.
        dask: map on a Dask cluster: `auto` for one on this machine, a scheduler's address or scheduler file. Scenes,
            model and output lie on a disk that all its machines share under the same paths.
        inventory: GeoPackage of all lakes so far, made if need be; lakes get the names that they have in it, and all
            maps, also those made before, are added.
        progress: show a bar on the standard error.
        tell: receives what became of each scene as soon as it is known.

    Raises:
        GlofgeoError: If the model reads terrain and there is no DEM, two scenes would share a folder, a folder or layer
            to be written is not glofgeo's own, the device is not there, the cluster cannot be used, or the output
            cannot be written.
    """
    report = Report(tell)
    require_inventory(inventory)
    dem = surroundings.dem if surroundings else None
    require_dem(predictor.bands, dem)
    if dask:
        paths, out = [absolute(path) for path in paths], out.absolute()

    def plan(path: SceneSource) -> Job:
        scene = open_scene(path, predictor.bands, offset=offset, dem=dem)
        return plan_scene(scene, predictor, settings, aoi, surroundings)

    # Opening a scene over a network takes a second or more.
    distant = sum(not isinstance(path, Path) for path in paths)
    with windows_progress(len(paths), shown=progress and distant > 1, noun="scenes") as (name, advance):
        name("opening")
        jobs = _plan(paths, plan, report, advance)
    to_do = []
    for job in jobs:
        if not overwrite and is_done(out / job.scene.id, job.fingerprint):
            report.add(Outcome(job.scene.path, "kept", out / job.scene.id))
        else:
            to_do.append(job)
    with writing(out):
        sweep(out)
        for job in to_do:
            require_replaceable(out / job.scene.id)
        # Lakes of earlier maps get the names that they have in the inventory.
        for folder in report.kept if inventory else ():
            require_replaceable_layer(folder / "lakes.gpkg")
        require_replaceable_document(out / COLLECTION)
        if len(jobs) > 1:
            require_replaceable_layer(out / COMBINED)
    if to_do and dask:
        _run_on_cluster(to_do, dask, device, out, report, progress=progress)
    elif to_do:
        # Torch is slow to import, and finished maps need none of it.
        from glofgeo.inference.batches import make_batcher

        _run(to_do, make_batcher(predictor, settings, device), out, report, progress=progress)
    folders = sorted(report.mapped + report.kept)
    if folders:
        with writing(out):
            write_catalogue(out, predictor)
    if len(folders) > 1:
        report.combined = _combine(folders, out)
    elif report.mapped and (out / COMBINED).exists():
        report.stale = out / COMBINED
    if folders and inventory:
        report.inventory = inventory
        add_to_inventory(inventory, folders, report.combined)
    return report


def _run(jobs: list[Job], batcher: "Batcher", out: Path, report: Report, *, progress: bool) -> None:
    with windows_progress(sum(job.windows for job in jobs), shown=progress) as (name, advance):
        for number, job in enumerate(jobs, 1):
            name(f"{number}/{len(jobs)} {job.scene.id}" if len(jobs) > 1 else job.scene.id)
            try:
                folder = run_job(job, batcher, out, advance, name)
            except CannotWriteError:
                raise
            except Exception as error:
                report.add(Outcome(job.scene.path, "failed", error=error))
            else:
                report.add(Outcome(job.scene.path, "mapped", folder))


def _run_on_cluster(jobs: list[Job], dask: str, device: str, out: Path, report: Report, *, progress: bool) -> None:
    from glofgeo.mapping.cluster import connected, make_tasks, run_tasks

    windows, known = sum(job.windows for job in jobs), len(report.outcomes)
    shown = ""

    def told(at_work: int, threads: int) -> None:
        nonlocal shown
        left = len(jobs) - len(report.outcomes) + known
        text = f"{left} scenes to map, {at_work} at work" if threads else "waiting for a worker"
        if text != shown:
            name(shown := text)

    tasks = make_tasks(jobs, out, device)
    with (
        contextlib.ExitStack() as stack,
        connected(dask, device, tasks) as client,
        windows_progress(windows, shown=progress, note=f"Dask: {client.dashboard_link}") as (name, advance),
    ):
        stack.callback(sweep, out)  # after Ctrl-C, once the workers of this machine have ended
        for task, error in run_tasks(client, tasks, 0 if dask == "auto" else 1, told):
            if isinstance(error, CannotWriteError):
                raise error
            advance(task.job.windows)
            path, folder = task.job.scene.path, out / task.job.scene.id
            report.add(Outcome(path, "failed", error=error) if error else Outcome(path, "mapped", folder))


def _plan(
    paths: Sequence[SceneSource],
    plan: Callable[[SceneSource], Job],
    report: Report,
    advance: Callable[[int], None],
) -> list[Job]:
    # On macOS and Windows, names that differ in case are one.
    jobs: dict[str, Job] = {}
    for path in paths:
        advance(1)
        try:
            job = plan(path)
            scene = job.scene
        except OffSceneError as error:
            if len(report.outside) + 1 == len(paths):
                raise OffSceneError(str(error)) from None
            report.add(Outcome(name_of(path), "outside"))
        except Exception as error:
            report.add(Outcome(name_of(path), "failed", error=error))
        else:
            if scene.id.casefold() in (COMBINED, COLLECTION):
                raise GlofgeoError(
                    f"{scene.path}: its name, {scene.id}, is that of a file about all scenes", "rename it"
                )
            twin = jobs.setdefault(scene.id.casefold(), job)
            if twin is not job:
                raise GlofgeoError(
                    f"{scene.path}: has the same name as {twin.scene.path}, and both would write the folder {scene.id}",
                    "rename one, or map them into different folders",
                    argument="out",
                )
    return list(jobs.values())


def _combine(folders: list[Path], out: Path) -> Path:
    """Writes the lakes of all maps as one layer, in which a lake seen by several scenes of a date occurs once."""
    path = out / COMBINED
    unmasked = sum(read_record(folder).get("cloud_mask") is False for folder in folders)
    note = f"{unmasked} of {len(folders)} scenes: {CLOUDS_NOT_MASKED}" if unmasked else ""
    with writing(out):
        combine_files([folder / "lakes.gpkg" for folder in folders], path, note)
    return path
