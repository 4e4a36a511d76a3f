"""The verb `map`: a batch of scenes, each finished on its own, and one layer of all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import geopandas as gpd

from datasets_def.scene import open_scene
from datasets_def.scene_search import find_scenes
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.inventory import combine_lakes, write_lakes
from glofgeo.inventory import require_replaceable as require_replaceable_layer
from glofgeo.mapping.job import Job, OffSceneError, plan_scene
from glofgeo.mapping.progress import windows_progress
from glofgeo.mapping.scene import run_job
from glofgeo.mapping.scene_folder import (
    CLOUDS_NOT_MASKED,
    CannotWriteError,
    is_done,
    read_record,
    require_replaceable,
    writing,
)
from glofgeo.mapping.surroundings import Surroundings
from glofgeo.models.predictor import Predictor

if TYPE_CHECKING:
    from glofgeo.inference.batches import Batcher

COMBINED = "lakes.gpkg"


@dataclass(frozen=True)
class Outcome:
    """What became of one scene.

    Attributes:
        scene: its path.
        state: `mapped` now, `kept` as it was mapped before, `outside` the area of interest, or `failed`.
        folder: of its map, if there is one.
        error: what went wrong.
    """

    scene: Path
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
    """

    tell: Callable[[Outcome], None] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    combined: Path | None = None

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
    def outside(self) -> list[Path]:
        """Scenes that the area of interest does not meet."""
        return [outcome.scene for outcome in self.outcomes if outcome.state == "outside"]

    @property
    def failed(self) -> dict[str, Exception]:
        """Scenes, and what went wrong with them."""
        return {str(outcome.scene): outcome.error for outcome in self.outcomes if outcome.error}

    def _folders(self, state: str) -> list[Path]:
        return [outcome.folder for outcome in self.outcomes if outcome.state == state and outcome.folder]


def list_scenes(words: list[str]) -> list[Path]:
    """Finds the scenes that words name: scenes, folders of scenes, or `@list.txt` with one a line.

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


def map_scenes(  # noqa: PLR0913
    paths: list[Path],
    predictor: Predictor,
    *,
    out: Path,
    aoi: gpd.GeoDataFrame | None = None,
    settings: MapConfig = MapConfig(),  # noqa: B008 (frozen)
    device: str = "auto",
    overwrite: bool = False,
    offset: float | None = None,
    surroundings: Surroundings | None = None,
    progress: bool = False,
    tell: Callable[[Outcome], None] | None = None,
) -> Report:
    """Maps scenes one after the other; one that fails does not stop the others.

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
        progress: show a bar on the standard error.
        tell: receives what became of each scene as soon as it is known.

    Raises:
        GlofgeoError: If two scenes would share a folder, a folder or layer to be written is not glofgeo's own, the
            device is not there, or the output cannot be written.
    """
    report = Report(tell)
    jobs = _plan(
        paths,
        lambda path: plan_scene(
            open_scene(path, predictor.bands, offset=offset), predictor, settings, aoi, surroundings
        ),
        report,
    )
    to_do = []
    for job in jobs:
        if not overwrite and is_done(out / job.scene.id, job.fingerprint):
            report.add(Outcome(job.scene.path, "kept", out / job.scene.id))
        else:
            to_do.append(job)
    with writing(out):
        for job in to_do:
            require_replaceable(out / job.scene.id)
        if len(jobs) > 1:
            require_replaceable_layer(out / COMBINED)
    if to_do:
        # Torch is slow to import, and finished maps need none of it.
        from glofgeo.inference.batches import make_batcher

        _run(to_do, make_batcher(predictor, settings, device), out, report, progress=progress)
    folders = sorted(report.mapped + report.kept)
    if len(folders) > 1:
        report.combined = _combine(folders, out)
    return report


def _run(jobs: list[Job], batcher: "Batcher", out: Path, report: Report, *, progress: bool) -> None:
    with windows_progress(sum(job.windows for job in jobs), shown=progress) as (name, advance):
        for number, job in enumerate(jobs, 1):
            name(f"{number}/{len(jobs)} {job.scene.id}" if len(jobs) > 1 else job.scene.id)
            try:
                folder = run_job(job, batcher, out, advance)
            except CannotWriteError:
                raise
            except Exception as error:
                report.add(Outcome(job.scene.path, "failed", error=error))
            else:
                report.add(Outcome(job.scene.path, "mapped", folder))


def _plan(paths: list[Path], plan: Callable[[Path], Job], report: Report) -> list[Job]:
    # On macOS and Windows, names that differ in case are one.
    jobs: dict[str, Job] = {}
    for path in paths:
        try:
            job = plan(path)
        except OffSceneError as error:
            if len(report.outside) + 1 == len(paths):
                raise OffSceneError(str(error)) from None
            report.add(Outcome(path, "outside"))
        except Exception as error:
            report.add(Outcome(path, "failed", error=error))
        else:
            if job.scene.id.casefold() == COMBINED:
                raise GlofgeoError(
                    f"{path}: its name, {job.scene.id}, is that of the layer of all lakes", "rename the scene"
                )  # fmt: skip
            twin = jobs.setdefault(job.scene.id.casefold(), job)
            if twin is not job:
                raise GlofgeoError(
                    f"{path}: has the same name as {twin.scene.path}, and both would write the folder {job.scene.id}",
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
        raise GlofgeoError(f"{path}: lists no scene", "write one path a line")
    return paths
