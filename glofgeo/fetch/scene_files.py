"""What is downloaded of a scene, and the folder that it becomes: one that appears only when all of it is there."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datasets_def.naming import safe_name
from datasets_def.radiometry import PRODUCT_NAME
from datasets_def.stac_bands import is_jpeg2000
from datasets_def.stac_item import Asset
from datasets_def.web_address import is_web, shown
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.remote_file import RemoteFile
from glofgeo.fetch.search import NEEDED, Found

PRODUCT_METADATA = "product_metadata"
_METADATA = (PRODUCT_METADATA, "granule_metadata")
ITEM = "item.json"


@dataclass(frozen=True)
class SceneFiles:
    """What is downloaded of a scene.

    Attributes:
        scene: as it was found.
        files: name in the folder -> file.
    """

    scene: Found
    files: dict[str, RemoteFile]

    @property
    def size(self) -> int:
        """Bytes, as far as they are known."""
        return sum(file.size or 0 for file in self.files.values())

    def folder(self, out: Path) -> Path:
        """Where the scene will be."""
        return out / safe_name(self.scene.name)

    def part(self, out: Path) -> Path:
        """Where its files gather until all are there; hidden, so that nothing takes it for a scene."""
        return out / f".{safe_name(self.scene.name)}.part"

    def with_sizes(self, sizes: dict[str, int | None]) -> "SceneFiles":
        """Adds sizes that the catalogue does not give, by address."""
        known = {
            name: file if file.size is not None else replace(file, size=sizes.get(file.href))
            for name, file in self.files.items()
        }
        return replace(self, files=known)


def files_of(scene: Found) -> SceneFiles:
    """Lists what to download of a scene: bands, scene classification and, where there are any, the metadata files."""
    assets = scene.item.assets
    files = {f"{name}{_ending(assets[name])}": _remote(assets[name]) for name in NEEDED}
    files |= {f"{name}.xml": _remote(assets[name]) for name in _METADATA if name in assets}
    return SceneFiles(scene, files)


def _remote(asset: Asset) -> RemoteFile:
    return RemoteFile(asset.href, asset.size, asset.checksum)


def _ending(asset: Asset) -> str:
    if is_jpeg2000(asset.href, asset.media_type):
        return ".jp2"
    ending = Path(urlsplit(asset.href).path).suffix.lower()
    return ending if ending in (".tif", ".tiff") else ".tif"


def finish(plan: SceneFiles, out: Path) -> Path:
    """Makes the folder of a scene of the files that have gathered, with its STAC item.

    Returns:
        The folder.

    Raises:
        GlofgeoError: As `require_replaceable`.
    """
    require_replaceable(plan, out)
    part, folder = plan.part(out), plan.folder(out)
    for stray in part.iterdir():
        if stray.name not in plan.files:
            stray.unlink()
    (part / ITEM).write_text(json.dumps(local_item(plan), indent=1), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    part.replace(folder)
    return folder


def local_item(plan: SceneFiles) -> dict[str, Any]:
    """The STAC item of a downloaded scene: as the catalogue gave it, with the files of the folder as its only assets.

    Other addresses of files are left out, because they may be signed.
    """
    assets = {}
    for name, file in plan.files.items():
        stem = name.partition(".")[0]
        media_type = plan.scene.item.assets[stem].media_type
        assets[stem] = _asset(f"./{name}", media_type, file.size, file.checksum)
    return _item(plan.scene, assets)


def search_result(scenes: Iterable[Found]) -> dict[str, Any]:
    """Scenes as one STAC ItemCollection: as catalogues gave them, with the files that are known, by our names.

    Their addresses are absolute, since what they were relative to lies elsewhere, and without signatures.
    """
    features = []
    for scene in scenes:
        assets = {
            name: _asset(shown(asset.href), asset.media_type, asset.size, asset.checksum)
            for name, asset in scene.item.assets.items()
        }
        features.append(_item(scene, assets))
    return {"type": "FeatureCollection", "features": features}


def _asset(href: str, media_type: str | None, size: int | None, checksum: str | None) -> dict[str, Any]:
    # Only these: what else catalogues write of a file may hold other addresses of it, signed ones too.
    facts = {"href": href, "type": media_type, "file:size": size, "file:checksum": checksum}
    return {key: value for key, value in facts.items() if value is not None}


def _item(scene: Found, assets: dict[str, Any]) -> dict[str, Any]:
    """The item of a catalogue with other assets, and of its links those that tell where it is from."""
    links = scene.raw.get("links")
    # Some catalogues list what is no link, or nothing.
    objects = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    kept = [
        {name: link[name] for name in ("rel", "type", "title") if name in link} | {"href": shown(link["href"])}
        for link in objects
        if link.get("rel") in ("self", "collection", "root", "license") and is_web(str(link.get("href")))
    ]
    return {**scene.raw, "assets": assets, "links": kept}


def other_processings(plan: SceneFiles, out: Path) -> list[Path]:
    """Finds other processings of the same acquisition in a folder of scenes, by their names."""
    name = plan.folder(out).name
    product = PRODUCT_NAME.fullmatch(name)
    if product is None:
        return []
    start = name[: name.index("_N")]
    return sorted(path for path in out.glob(f"{start}_N*_T{plan.scene.item.tile}_*") if not path.name.startswith(name))


def is_there(plan: SceneFiles, out: Path) -> bool:
    """Whether a scene was downloaded before, by whatever catalogue or as the whole product."""
    folder = plan.folder(out)
    product = any((out / f"{folder.name}{ending}").exists() for ending in (".SAFE", ".SAFE.zip", ".zip"))
    return product or all(any(folder.glob(f"{name}.*")) for name in NEEDED)


def _is_ours(folder: Path) -> bool:
    """Whether a folder was made here: an item that somebody saved names files elsewhere."""
    try:
        assets = json.loads((folder / ITEM).read_text(encoding="utf-8"))["assets"]
        return all(str(asset["href"]).startswith("./") for asset in assets.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def require_replaceable(plan: SceneFiles, out: Path) -> None:
    """Makes sure that a scene may take its folder: nothing is there, or what came of an earlier download.

    Raises:
        GlofgeoError: If somebody else has put something there.
    """
    folder = plan.folder(out)
    if folder.exists() and not _is_ours(folder):
        missing = [name for name in NEEDED if not any(folder.glob(f"{name}.*"))]
        raise GlofgeoError(
            f"{folder}: is of another origin, lacks {', '.join(missing)}, and is left as it is", "move it away"
        )
