"""The scenes of a batch on a Dask cluster: the same jobs, one scene a task, one task a worker thread.

A task that ends its worker takes down with it whatever else is queued there, so hardly anything is: the driver hands
out the next scene when a thread is free. The scheduler sends the scene of a lost worker to another one by itself; how
often it was begun is noted on the scheduler, and the third time it is not begun any more.
"""

import contextlib
import json
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any

from datasets_def.processes import process_tag
from glofgeo.config import MapConfig
from glofgeo.errors import GlofgeoError
from glofgeo.mapping.job import Job
from glofgeo.mapping.scene import run_job
from glofgeo.mapping.scene_folder import sweep_scene
from glofgeo.models.predictor import load_model
from glofgeo.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

    from glofgeo.inference.batches import Batcher

# Memory that a worker is reckoned with on this machine, beside its model, which is in memory twice while it is loaded:
# a full tile with a small model takes 2.4 GiB at most (`benchmarks/map_scene.py`).
_WORKER_BYTES = 3 * 2**30

# A scene that was begun so often without an end is left: it may be its fault.
_TRIES = 2

# What decides the pixels of a map beside the model.
_COMPARED = ("torch", "rasterio", "numpy", "scipy", "shapely", "geopandas")


class OtherVersionsError(GlofgeoError):
    """A worker has other versions than the client: its maps would not be those of this machine."""


@dataclass(frozen=True)
class Task:
    """A scene to be mapped on some worker.

    Attributes:
        job: what to map.
        model: its file, on a disk that all machines share.
        device: `auto`, `cpu`, `cuda` or `mps`, there.
        out: folder of all maps, on a disk that all machines share.
        run: name of this run on the scheduler.
        versions: of what decides the pixels, as on the client.
    """

    job: Job
    model: Path
    device: str
    out: Path
    run: str
    versions: dict[str, str]

    @property
    def tries(self) -> list[str]:
        """Where the scheduler notes which processes have begun it."""
        return [self.run, self.job.scene.id]


def own_versions() -> dict[str, str]:
    """Gives the versions of what decides the pixels of a map."""
    return {"glofgeo": __version__, "python": python_version()} | {name: version(name) for name in _COMPARED}


def map_on_worker(task: Task) -> None:
    """Maps a scene; runs on a worker.

    Raises:
        OtherVersionsError: If this worker has other versions than the client.
        GlofgeoError: If the scene has ended two workers already, or as `run_job`.
    """
    from distributed import Client, get_worker

    require_same_versions(task.versions, own_versions())
    worker = get_worker()
    with Client(worker.scheduler.address, security=worker.security, set_as_default=False) as client:
        begun = client.get_metadata(task.tries, [])
        if len(begun) >= _TRIES:
            raise _left(task)
        client.set_metadata(task.tries, [*begun, process_tag()])
    job = task.job
    run_job(job, _at_work(task.model, job.predictor.sha256, job.settings, task.device), task.out)


def require_same_versions(here: dict[str, str], there: dict[str, str]) -> None:
    """Compares the versions of client and worker.

    Raises:
        OtherVersionsError: If they differ, naming them.
    """
    other = [
        f"{name} {there.get(name, 'missing')} (here {here[name]})" for name in here if there.get(name) != here[name]
    ]
    if other:
        raise OtherVersionsError(
            f"the workers have {', '.join(other)}", "install the same there as here", argument="dask"
        )


def _left(task: Task) -> GlofgeoError:
    return GlofgeoError(
        f"{task.job.scene.path}: its worker was lost {_TRIES} times while mapping it, so it is left",
        "map it alone to see why (memory, a damaged file), or run the command again",
    )


# A worker maps one scene after the other with one model.
@lru_cache(maxsize=1)
def _at_work(model: Path, sha256: str, settings: MapConfig, device: str) -> "Batcher":
    from glofgeo.inference.batches import make_batcher

    predictor = load_model(model)
    if predictor.sha256 != sha256:
        raise GlofgeoError(f"{model}: is another model on the workers", "keep it on a disk that all machines share")
    return make_batcher(predictor, settings, device)


def make_tasks(jobs: list[Job], out: Path, device: str) -> list[Task]:
    """Makes tasks of jobs whose scenes lie at absolute paths.

    Raises:
        GlofgeoError: If the model is in memory only.
    """
    run, versions = f"glofgeo-{uuid.uuid4().hex}", own_versions()
    tasks = []
    for job in jobs:
        if job.predictor.file is None:
            raise GlofgeoError(f"{job.predictor.name}: workers cannot read a model in memory", "save it to a file")
        tasks.append(Task(job, job.predictor.file.absolute(), device, out.absolute(), run, versions))
    return tasks


@contextlib.contextmanager
def connected(dask: str, device: str, tasks: list[Task]) -> Iterator["Client"]:
    """Connects to a cluster, or starts one on this machine for as long as it is needed.

    Args:
        dask: `auto` for this machine, the address of a scheduler (`tcp://…`), or its scheduler file (`….json`).
        device: of the workers on this machine.
        tasks: what there is to do.

    Raises:
        GlofgeoError: If distributed is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise GlofgeoError(
            "distributed is not installed", "`pip install distributed` or `uv pip install distributed`", argument="dask"
        ) from None
    with contextlib.ExitStack() as stack:
        if dask == "auto":
            from glofgeo.mapping.local_cluster import local_cluster

            memory = _WORKER_BYTES + 2 * tasks[0].model.stat().st_size
            cluster = stack.enter_context(local_cluster(device, len(tasks), memory))
            yield stack.enter_context(Client(cluster))
            return
        try:
            if dask.endswith(".json"):
                json.loads(Path(dask).read_text(encoding="utf-8"))["address"]  # Dask would wait for it to be there
            client = Client(scheduler_file=dask) if dask.endswith(".json") else Client(dask, timeout=10)
        except (OSError, ValueError, KeyError, TypeError) as error:  # the latter for another file of JSON
            raise GlofgeoError(
                f"{dask}: no Dask scheduler answers there ({type(error).__name__})", "check address and network",
                argument="dask",
            ) from None  # fmt: skip
        yield stack.enter_context(client)


def run_tasks(
    client: "Client", tasks: list[Task], spare: int, told: Callable[[int, int], None]
) -> Iterator[tuple[Task, Exception | None]]:
    """Has workers map scenes, and yields each with what went wrong, if anything, as soon as it is known.

    Args:
        client: of the cluster.
        tasks: the scenes.
        spare: how many scenes more than threads to hand out; one tells an adaptive cluster that it may grow.
        told: receives how many scenes are handed out, and the number of threads.

    Raises:
        GlofgeoError: If the workers cannot run tasks of this glofgeo, or the cluster has ended.
    """
    waiting, killed = deque(tasks), Counter[str]()
    running: dict[Future[None], Task] = {}
    while waiting or running:
        threads = sum(client.nthreads().values())
        while waiting and len(running) < max(threads + spare, 1):
            task = waiting.popleft()
            running[client.submit(map_on_worker, task, pure=False, retries=0)] = task
        told(len(running), threads)
        for future in _done(list(running)):
            task, error = running.pop(future), _error(future)
            # A result that is still wanted is computed again when its worker is lost.
            future.release()
            name = task.job.scene.id
            if _is_lost(error):
                killed[name] += 1
                if killed[name] < _TRIES:
                    waiting.append(task)
                    continue
                error = _left(task)
            sweep_scene(task.out, name, client.get_metadata(task.tries, []))
            yield task, error


def _done(futures: "list[Future[None]]") -> "list[Future[None]]":
    from distributed import wait

    # Workers come and go meanwhile.
    with contextlib.suppress(TimeoutError):
        wait(futures, timeout=1, return_when="FIRST_COMPLETED")
    return [future for future in futures if future.done()]


def _error(future: "Future[None]") -> Exception | None:
    if future.status in ("cancelled", "lost"):
        raise GlofgeoError("the cluster has ended", "start it again, and run the same command", argument="dask")
    error: Any = future.exception() if future.status == "error" else None
    if isinstance(error, ModuleNotFoundError):
        raise GlofgeoError(f"the workers lack {error.name}", "install the same there as here", argument="dask")
    if isinstance(error, OtherVersionsError):
        raise error
    return error


def _is_lost(error: Exception | None) -> bool:
    from distributed import KilledWorker

    return isinstance(error, KilledWorker)
