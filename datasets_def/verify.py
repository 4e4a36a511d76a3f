"""Verifies all files of a product on request."""

from dataclasses import dataclass
from pathlib import Path

from datasets_def.errors import GlofgeoError
from datasets_def.manifest import MANIFEST, read_manifest, verify
from datasets_def.product_path import check_path, is_safe, open_product


@dataclass(frozen=True)
class Verification:
    """Result of verifying the files of a product.

    Attributes:
        good: number of files that are as the manifest or the zip's CRC says.
        unknown: number of files that have neither.
        faults: a line for each file that is damaged or missing.
    """

    good: int
    unknown: int
    faults: list[str]


def verify_product(path: str | Path) -> Verification:
    """Compares all files of a product with their checksums and, in a zip, with their CRC.

    Raises:
        GlofgeoError: If it is no product or cannot be read.
    """
    path = Path(path)
    check_path(path, "no such scene", "check the path")
    if not is_safe(path):
        raise GlofgeoError(f"{path}: only products, as a .SAFE folder or its zip, have checksums; nothing to verify")
    root, files = open_product(path)
    listed = read_manifest(files)
    good, unknown, faults = 0, 0, []
    for name, file in files.items():
        if listed.get(name) is None and not file.member:
            unknown += 1
            continue
        try:
            verify(file, listed.get(name))
            good += 1
        except GlofgeoError as error:
            faults.append(str(error))
    faults += [f"{root}: missing {name}, which {MANIFEST} lists" for name in listed if name not in files]
    return Verification(good, unknown, faults)
