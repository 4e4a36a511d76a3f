"""Which scenes lie below a folder."""

from pathlib import Path

from datasets_def.bandfiles import is_band_folder
from glofgeo.errors import GlofgeoError


def find_scenes(path: str | Path) -> list[Path]:
    """Lists the scenes below a folder: `.SAFE` folders, zipped ones, and `.tif`, `.tiff`, `.vrt` files.

    A path that is itself a scene gives itself. Hidden folders are passed over.

    Raises:
        GlofgeoError: If the path does not exist or holds no scene.
    """
    path = Path(path)
    if not path.exists():
        raise GlofgeoError(f"{path}: no such folder; put scenes there or name another with --scenes")
    if path.is_file() or path.suffix == ".SAFE" or any(path.glob("MTD_MSIL*.xml")) or is_band_folder(path):
        return [path]
    found: list[Path] = []
    for child in sorted(path.iterdir()):
        if child.name.startswith("."):
            continue
        if child.suffix == ".SAFE" or child.suffix.lower() in (".zip", ".tif", ".tiff", ".vrt"):
            found.append(child)
        elif child.is_dir():
            found += _find_below(child)
    if not found:
        raise GlofgeoError(f"{path}: holds no scene (.SAFE, .zip, .tif or .vrt); put scenes there")
    return found


def _find_below(folder: Path) -> list[Path]:
    try:
        return find_scenes(folder)
    except GlofgeoError:
        return []
