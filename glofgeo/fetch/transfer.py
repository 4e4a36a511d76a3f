"""Downloads scenes, a few files at a time, and makes the folder of each as soon as all of it is there."""

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import rasterio
from geopandas import GeoSeries
from rasterio.errors import RasterioError

from datasets_def.product_metadata import FILE_NAME, offset_in
from datasets_def.scene import open_scene
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.crop import Crop, fetch_crop, plan_crop, remove_crop
from glofgeo.fetch.download import Stopped, download
from glofgeo.fetch.plan import megabytes
from glofgeo.fetch.progress import progress
from glofgeo.fetch.scene_files import SceneFiles, finish, require_replaceable
from glofgeo.fetch.writing import read_through

# The most that the Copernicus Data Space allows (documentation.dataspace.copernicus.eu, Quotas and Limitations), which
# suits other servers, too.
CONNECTIONS = 4

# Left free on the disk.
_RESERVE = 500_000_000


@dataclass
class Fetched:
    """What came of a download.

    Attributes:
        folders: of the scenes that are there now, or their files.
        failed: name of a scene -> why it is not.
    """

    folders: list[Path] = field(default_factory=list)
    failed: dict[str, GlofgeoError] = field(default_factory=dict)


def bytes_missing(scenes: Sequence[SceneFiles], out: Path) -> int:
    """Bytes that are still to be downloaded, as far as sizes are known."""
    have = sum(path.stat().st_size for scene in scenes for path in scene.part(out).glob("*") if path.is_file())
    return max(0, sum(scene.size for scene in scenes) - have)


def check_room(need: int, out: Path) -> None:
    """Compares what is needed with the room on the disk.

    Args:
        need: bytes.
        out: folder to write to.

    Raises:
        GlofgeoError: If there is too little.
    """
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if need + _RESERVE > free:
        raise GlofgeoError(
            f"{out}: {megabytes(need)} are needed, and {megabytes(free)} are free",
            "free some space, choose another folder, or fetch less",
            argument="out",
        )


def fetch_scenes(
    scenes: Sequence[SceneFiles], out: Path, *, shown: bool = False, tell: Callable[[Path], None] | None = None
) -> Fetched:
    """Downloads scenes; what has come of them before is kept, and so is what has come of one that fails.

    Args:
        scenes: to download.
        out: folder of scenes.
        shown: show progress.
        tell: is called with the folder of each scene that is complete.

    Raises:
        KeyboardInterrupt: After Ctrl-C; another call goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    fetched, stop = Fetched(), threading.Event()
    left = {id(scene): len(scene.files) for scene in scenes}
    with progress(bytes_missing(scenes, out), "bytes", shown=shown) as (name, advance):
        for scene in scenes:
            try:
                require_replaceable(scene, out)
            except GlofgeoError as error:
                fetched.failed[scene.scene.name] = error
        pool = ThreadPoolExecutor(CONNECTIONS)

        def job(scene: SceneFiles, file: str) -> None:
            if scene.scene.name not in fetched.failed and not stop.is_set():
                name(scene.scene.name)
                download(scene.files[file], scene.part(out) / file, advance, stop)

        running: dict[Future[None], SceneFiles] = {
            pool.submit(job, scene, file): scene for scene in scenes for file in _in_order(scene)
        }
        try:
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    scene = running.pop(future)
                    left[id(scene)] -= 1
                    _note(future, scene, fetched)
                    if not left[id(scene)] and scene.scene.name not in fetched.failed:
                        _finish(scene.scene.name, partial(_complete, scene, out), fetched, tell)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    return fetched


def fetch_crops(
    scenes: Sequence[SceneFiles],
    area: GeoSeries,
    out: Path,
    *,
    shown: bool = False,
    tell: Callable[[Path], None] | None = None,
) -> Fetched:
    """Fetches the windows of scenes around an area, one scene after another.

    Args:
        scenes: all of COGs.
        area: WGS 84.
        out: folder of scenes.
        shown: show progress.
        tell: is called with each file that is complete.
    """
    out.mkdir(parents=True, exist_ok=True)
    fetched, crops = Fetched(), list[Crop]()
    for scene in scenes:
        try:
            crops.append(plan_crop(scene, area, out))
        except GlofgeoError as error:
            fetched.failed[scene.scene.name] = error
    total = sum(1 for crop in crops for _ in crop.pieces())
    with progress(total, "pieces", shown=shown) as (name, advance):
        for crop in crops:
            name(crop.scene.name)
            _finish(crop.scene.name, partial(fetch_crop, crop, advance), fetched, tell)
    return fetched


def _in_order(scene: SceneFiles) -> list[str]:
    """The small files first: they tell what is wrong with a scene before its bands have come."""
    return sorted(scene.files, key=lambda name: (not name.endswith(".xml"), not name.startswith("SCL"), name))


def _note(future: Future[None], scene: SceneFiles, fetched: Fetched) -> None:
    try:
        future.result()
    except Stopped:
        raise KeyboardInterrupt from None
    except GlofgeoError as error:
        fetched.failed.setdefault(scene.scene.name, error)


def _complete(scene: SceneFiles, out: Path) -> Path:
    try:
        check_scene(scene, scene.part(out))
    except GlofgeoError:
        # Small, and of no known checksum: the next try begins with what the catalogue has then.
        (scene.part(out) / FILE_NAME).unlink(missing_ok=True)
        raise
    folder = finish(scene, out)
    remove_crop(scene, out)
    return folder


def _finish(name: str, make: Callable[[], Path], fetched: Fetched, tell: Callable[[Path], None] | None) -> None:
    """Does the last step of a scene, and notes what came of it."""
    try:
        path = make()
    except GlofgeoError as error:
        fetched.failed[name] = error
        return
    fetched.folders.append(path)
    if tell:
        tell(path)


def check_scene(files: SceneFiles, folder: Path) -> None:
    """Checks that downloaded files make a scene whose reflectance is known.

    Images for which the catalogue gives no checksum are decoded, which finds wrong bytes in them.

    Args:
        files: of the scene.
        folder: that holds them.

    Raises:
        GlofgeoError: If they do not, or its metadata and its files disagree.
    """
    for name, file in files.files.items():
        if file.checksum is None and name.endswith((".tif", ".tiff")):
            check_image(folder / name)
    scene = open_scene(folder)
    beside = folder / FILE_NAME
    product = files.scene.item.product_uri
    declared = offset_in(beside.read_bytes(), beside, product) if beside.exists() else None
    layer = scene.layers["B02"]
    try:
        with rasterio.open(layer.path) as source:
            scaled = (source.scales[0], source.offsets[0]) != (1.0, 0.0)
    except RasterioError:
        raise GlofgeoError(f"{layer.path}: cannot be read", "download it again") from None
    if declared is None and not scaled:
        raise GlofgeoError(
            f"{folder}: neither a metadata file nor its images say whether its DN include the offset of baseline 04.00",
            "try another catalogue",
        )
    if declared is not None and round(layer.offset, 3) != declared:
        raise GlofgeoError(
            f"{folder}: its images carry an offset of {layer.offset:g} DN and its metadata one of {declared:g}",
            "try another catalogue",
        )


def check_image(path: Path) -> None:
    """Reads an image from end to end, and removes it if that fails, so that it is downloaded again.

    Raises:
        GlofgeoError: If it is damaged.
    """
    try:
        read_through(path)
    except RasterioError:
        path.unlink()
        raise GlofgeoError(f"{path.name} came damaged", "try again") from None
