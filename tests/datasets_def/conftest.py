"""A small product to harm."""

import hashlib
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from datasets_def.synthetic.product import write_product


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """A Level-2A product of 96 x 96 pixels at 10 m."""
    return write_product(tmp_path_factory.mktemp("small"), size=96, seed=1, bands=("B02", "B03", "B04", "B08", "B8A"))[
        0
    ]


@pytest.fixture
def mine(small, tmp_path) -> Path:
    """A copy of it, below `tmp_path / "mine"`."""
    return shutil.copytree(small, tmp_path / "mine" / small.name)


@pytest.fixture
def edit():
    """Replaces text in one of a product's files as its maker might have written it: the manifest agrees."""

    def change(product: Path, name: str, old: str, new: str, count: int = -1) -> None:
        (path,) = product.rglob(name)
        text = path.read_text()
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text, count=max(count, 0)))
        seal(product)

    return change


@pytest.fixture
def zipped(tmp_path):
    """Packs a folder below its own name, which `rename` may change, and gives the zip's path."""

    def pack(product: Path, name="product.zip", method=zipfile.ZIP_DEFLATED, rename=lambda name: name) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in sorted(product.rglob("*")):
                if file.is_file():
                    member = zipfile.ZipInfo(rename(file.relative_to(product.parent).as_posix()))
                    member.compress_type = method
                    archive.writestr(member, file.read_bytes())
        return path

    return pack


def seal(product: Path) -> None:
    """Brings the manifest of a product of baseline 04.00 or later up to date."""
    manifest = product / "manifest.safe"

    def entry(match: re.Match[str]) -> str:
        file = product / match[2]
        return match[1] + match[2] + match[3] + hashlib.sha3_256(file.read_bytes()).hexdigest() if file.exists() else ""

    pattern = r'(href="\./)([^"]+)("/><checksum checksumName="SHA3-256">)[0-9a-f]+'
    manifest.write_text(re.sub(pattern, entry, manifest.read_text()))
