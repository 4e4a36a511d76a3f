"""Packing products, rightly and not; see `fuzz.py`."""

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzz_case import flip


def pack(
    rng: Random, product: Path, rename: Callable[[str], str] = lambda name: name, method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """Packs a product."""
    path = product.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(product.rglob("*")):
            if file.is_file():
                member = zipfile.ZipInfo("x")
                member.filename, member.compress_type = rename(file.relative_to(product.parent).as_posix()), method
                archive.writestr(member, file.read_bytes())
    return path


def pack_and_flip(rng: Random, product: Path) -> Path:
    """Changes bytes of members, packed or stored."""
    path = pack(rng, product, method=rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]))
    with zipfile.ZipFile(path) as archive:
        end = archive.start_dir
    path.write_bytes(flip(rng, path.read_bytes(), end=end))
    return path


def pack_and_flip_directory(rng: Random, product: Path) -> Path:
    """Changes bytes of the directory at the end."""
    path = pack(rng, product)
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    path.write_bytes(flip(rng, path.read_bytes(), start=start))
    return path


def pack_wrong_crc(rng: Random, product: Path) -> Path:
    """Changes one member's CRC in the directory."""
    path = pack(rng, product)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.start_dir
        for _ in range(rng.randrange(len(archive.infolist()))):
            name, extra, comment = struct.unpack("<HHH", content[at + 28 : at + 34])
            at += 46 + name + extra + comment
    content[at + 16] ^= 1
    path.write_bytes(content)
    return path


def pack_macos(rng: Random, product: Path) -> Path:
    """Adds what macOS adds."""
    path = pack(rng, product)
    with zipfile.ZipFile(path, "a") as archive:
        for name in archive.namelist():
            folder, _, file = name.rpartition("/")
            archive.writestr(f"__MACOSX/{folder}/._{file}", b"\0\5\x16\7")
        archive.writestr(f"{product.name}/.DS_Store", b"\0")
    return path


def pack_and_cut(rng: Random, product: Path) -> Path:
    """Cuts a zip."""
    path = pack(rng, product)
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) - 1)])
    return path


def pack_twice(rng: Random, product: Path) -> Path:
    """Adds a second member under a name that is taken, with other pixels or metadata; before or after the right one."""
    other = rng.choice(sorted([*product.rglob("*.jp2"), *product.rglob("MTD_*.xml")]))
    name, right = other.relative_to(product.parent).as_posix(), other.read_bytes()
    wrong = right
    if other.suffix == ".jp2":
        (same,) = product.rglob("*_B03*.jp2") if "_B02" in other.name else product.rglob("*_B02*.jp2")
        wrong = same.read_bytes()
    else:
        wrong = re.sub(rb"(QUANTIFICATION_VALUE[^>]*>)10000|<ULX>(\d)", rb"\g<1>5000", right)
    first, second = (right, wrong) if rng.random() < 0.5 else (wrong, right)
    (product / "manifest.safe").unlink()
    other.write_bytes(first)
    path = pack(rng, product)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, second)
    return path


def pack_locked(rng: Random, product: Path) -> Path:
    """Flags members as encrypted."""
    path = pack(rng, product)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.start_dir
        for info in archive.infolist():
            content[info.header_offset + 6] |= 1
            content[at + 8] |= 1
            name, extra, comment = struct.unpack("<HHH", content[at + 28 : at + 34])
            at += 46 + name + extra + comment
    path.write_bytes(content)
    return path
