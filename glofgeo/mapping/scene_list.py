"""The scenes that words name: paths, folders, addresses, lists, STAC items and search results."""

from pathlib import Path

from datasets_def.in_place import is_remote
from datasets_def.scene_search import find_scenes
from datasets_def.stac_files import BadItem, holds_item, read_item_file
from datasets_def.stac_item import Item
from datasets_def.web_address import is_web, shown
from glofgeo.errors import GlofgeoError

# What `open_scene` takes; a bad item of a search result fails there, by its name.
SceneSource = Path | str | Item | BadItem


def list_scenes(words: list[str]) -> list[SceneSource]:
    """Finds the scenes that words name.

    They are scenes, folders of scenes, `@list.txt` with one a line, and STAC items and search results, with or without
    `@`; all but lists may lie on the network. What cannot be had from there is a bad item, which stops no other.

    Raises:
        GlofgeoError: If a list, search result or folder names none.
    """
    found: list[SceneSource] = []
    for word in words:
        path = word.removeprefix("@")
        if is_web(path):
            found += _of_address(path)
        elif holds_item(path):
            # Files beside an item are found from anywhere.
            found += read_item_file(Path(path).absolute())
        elif word.startswith("@"):
            found += _read_list(Path(path))
        elif not is_remote(word) and Path(word).is_dir():
            found += find_scenes(word)
        else:
            found.append(_source(word))
    return list(dict.fromkeys(found))


def _of_address(address: str) -> list[SceneSource]:
    try:
        return [*read_item_file(address)] if holds_item(address) else [address]
    except GlofgeoError as error:
        return [BadItem(shown(address), error)]


def name_of(scene: SceneSource) -> Path | str:
    """What to call a scene in messages: its path, its address without signature, or the id of its item."""
    return scene if isinstance(scene, Path) else scene.id if isinstance(scene, Item | BadItem) else shown(scene)


def absolute(scene: SceneSource) -> SceneSource:
    """Gives a source that means the same in any folder."""
    return scene.absolute() if isinstance(scene, Path) else scene


def _source(word: str) -> SceneSource:
    return word if is_remote(word) else Path(word)


def _read_list(path: Path) -> list[SceneSource]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise GlofgeoError(f"{path}: cannot be read as a list of scenes ({error})") from None
    sources = [_source(line) for line in lines if line and not line.startswith("#")]
    if not sources:
        raise GlofgeoError(f"{path}: lists no scene", "write one path a line")
    return sources
