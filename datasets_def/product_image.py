"""One image file of a product, compared with the product's metadata."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from affine import Affine
from rasterio import DatasetReader
from rasterio.crs import CRS

from datasets_def.archive import StoredFile
from datasets_def.errors import GlofgeoError
from datasets_def.grid import Grid
from datasets_def.manifest import Checksum, begin_verifying


@dataclass(frozen=True)
class ProductImage:
    """An image file and its metadata in the product.

    Attributes:
        file: where it lies.
        crs: of its grid.
        transform: from its pixels to that CRS.
        checksum: None if the product gives none.
    """

    file: StoredFile
    crs: CRS
    transform: Affine
    checksum: Checksum | None

    @property
    def is_verified(self) -> bool:
        """Whether damage can be detected: by the manifest's checksum or the CRC of a zip."""
        return self.checksum is not None or bool(self.file.member)

    def begin_verifying(self) -> Future[None]:
        """Verifies the file in a thread, once per process; see `datasets_def.manifest.begin_verifying`."""
        return begin_verifying(self.file, self.checksum)

    def check_place(self, source: DatasetReader) -> None:
        """Compares the position in the file itself, if it has one, with the metadata.

        Some writers give the position of a pixel's centre and others of its corner: half a pixel counts as equal.

        Raises:
            GlofgeoError: If it lies elsewhere.
        """
        there, here = source.transform, self.transform
        if source.crs is None or there == Affine.identity():
            return
        shift, scale = Grid(source.shape, here, self.crs).apart(Grid(source.shape, there, source.crs))
        if not (shift <= 0.501 and scale <= 1e-3):
            raise GlofgeoError(
                f"{self.file}: lies at {_place(source.crs, there)}, where the product's metadata say "
                f"{_place(self.crs, here)}",
                "fetch the product again",
            )


def check_end(path: str) -> None:
    """Checks that a JPEG 2000 file has its end, because decoders fill the tiles of one cut short with zeros, silently.

    In Sentinel-2 products the code stream is the last box of the file and closes with the marker EOC (ISO/IEC 15444-1,
    annex A). Members of a zip archive are not checked: an archive cut short does not open.

    Raises:
        GlofgeoError: If it has not.
    """
    if path.lower().endswith(".jp2") and not path.startswith("/vsi"):
        with Path(path).open("rb") as file:
            file.seek(-2, 2)
            if file.read() != b"\xff\xd9":
                raise GlofgeoError(f"{path}: cut short (its end is missing)", "fetch the product again")


def _place(crs: CRS, transform: Affine) -> str:
    return f"{crs.to_string()[:40]} ({transform.c:.10g}, {transform.f:.10g}), pixels of {transform.a:g}"
