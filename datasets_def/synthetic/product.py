"""Writes Sentinel-2 products of places that do not exist, with their lakes, for demonstrations and tests.

The product has the folders, names, metadata and JPEG 2000 files of a real one, and can be read by anything that reads
those. What it shows is simulated from noise: valleys between ridged mountains, hill-shade and cast shadow at the sun's
true position, glaciers with bare ice, debris-covered tongues and their ponds, snow, rock, scree, meadow, outwash plains
with braided rivers, clouds with their shadow, and lakes from milky to black, some partly frozen or full of icebergs.
NDWI > 0 fails there as it does in the Himalaya: on shaded slopes, old snow, wet ice and rivers, and over milky or
frozen lakes. At a later date of the same place lakes have grown, one has burst (on 2025-01-01), snow and cloud differ.

Not simulated: the water cycle (rivers do not run downhill everywhere), adjacency and view-angle effects, parallax
between bands, detector seams, misregistration between dates, lakes closed by ice all over, and the true colours of any
particular lake. Skill measured here says nothing about skill on real scenes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from datasets_def.atomic import written_beside
from datasets_def.bands import BANDS, DEFAULT_BANDS
from datasets_def.errors import GlofgeoError
from datasets_def.synthetic.lakes import Lake, flatten, place_lakes
from datasets_def.synthetic.metadata import Product, manifest_xml, product_xml, tile_name, tile_xml
from datasets_def.synthetic.surface import View, classify, halve, look, reflectance
from datasets_def.synthetic.terrain import build_land, sun_position

NOISE = 0.0025
"""Standard deviation of the sensor's noise, in reflectance."""


@dataclass(frozen=True)
class _Wanted:
    """The arguments of `write_product`, in UTC."""

    size: int
    lon: float
    lat: float
    when: datetime
    seed: int
    baseline: str
    level: Literal["L1C", "L2A"]
    zone: int | None
    clouds: float
    bands: tuple[str, ...]

    def check(self) -> None:
        """Refuses what no product can be."""
        level, zone, lon, lat = self.level, self.zone, self.lon, self.lat
        unknown = [band for band in self.bands if band not in BANDS or (band == "B10" and level == "L2A")]
        wrong = {
            f"bands {', '.join(unknown)}: not in a Sentinel-2 {level} product": bool(unknown) or not self.bands,
            f"size {self.size}: give at least 64 pixels": self.size < 64,
            f"lon {lon}, lat {lat}: give degrees within 180 and 80": abs(lon) > 180 or abs(lat) > 80,
            f"level {level}: give L1C or L2A": level not in ("L1C", "L2A"),
            f"baseline {self.baseline}: give it as in 05.10": re.fullmatch(r"\d\d\.\d\d", self.baseline) is None,
            f"zone {zone}: UTM zones are 1 to 60": zone is not None and not 1 <= zone <= 60,
            f"clouds {self.clouds}: give a share from 0 to 1": not 0 <= self.clouds <= 1,
        }
        for message, applies in wrong.items():
            if applies:
                raise GlofgeoError(f"synthetic product: {message}")

    def plan(self) -> Product:
        """Settles the grid and the names. Corners lie on multiples of 60 m, where the grids of all bands meet."""
        zone = self.zone or int((self.lon + 180) // 6) % 60 + 1
        epsg = (32600 if self.lat >= 0 else 32700) + zone
        east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(self.lon, self.lat)
        left, top = round((east - self.size * 5) / 60) * 60, round((north + self.size * 5) / 60) * 60
        return Product(
            level=self.level,
            baseline=self.baseline,
            when=self.when,
            # Two places may share a tile and a day; the time of processing tells their products apart.
            generated=self.when + timedelta(hours=4, seconds=self.seed % 86_400),
            tile=tile_name(zone, self.lat, east, north),
            epsg=epsg,
            left=left,
            top=top,
            size=self.size,
            bands=self.bands,
            sun=sun_position(self.lon, self.lat, self.when),
        )


def write_product(  # noqa: PLR0913
    folder: Path,
    *,
    size: int = 1098,
    lon: float = 86.925,
    lat: float = 27.898,
    when: datetime = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC),
    seed: int = 0,
    baseline: str = "05.10",
    level: Literal["L1C", "L2A"] = "L2A",
    zone: int | None = None,
    clouds: float = 0.08,
    bands: Sequence[str] = DEFAULT_BANDS,
) -> tuple[Path, Path]:
    """Writes a `.SAFE` product and beside it `<product>_lakes.gpkg`, layer `lakes`, in the scene's CRS.

    The same arguments give the same pixels. What stands under the product's name already is replaced.

    Args:
        folder: where to write; made if need be.
        size: pixels at 10 m along either side, 64 or more; 10980 is a full tile.
        lon: longitude of the centre in degrees.
        lat: latitude of the centre in degrees.
        when: acquisition; UTC if it carries no zone. The sun stands as at 10:30 local time of that day.
        seed: the place: its terrain, its lakes and, for about a third of the places, the edge of the swath.
        baseline: processing baseline; from `04.00` on DN carry an offset of 1000.
        level: `L2A`, or `L1C` without scene classification and under a bluish haze.
        zone: UTM zone of the grid; by default the one `lon` lies in.
        clouds: share of the scene under cloud, 0-1.
        bands: names of the bands to write, each at its native resolution.

    Returns:
        The path of the `.SAFE` folder and that of the lake layer, whose columns are `lake_id` (the same at every
        date), `kind`, `colour`, `area_m2` (planar) and `date`.

    Raises:
        GlofgeoError: If an argument is out of range.
    """
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    wanted = _Wanted(size, lon, lat, when, seed, baseline, level, zone, clouds, tuple(bands))
    wanted.check()
    product = wanted.plan()

    rng = np.random.default_rng([seed, 1])
    land = build_land(rng, size)
    lakes = place_lakes(rng, land, seed)
    flatten(land.height, lakes)
    unseen = _beyond_swath(np.random.default_rng([seed, 3]), size)
    day = np.random.default_rng([seed, 2, when.toordinal()])
    view = look(rng, day, land, lakes, when, product.sun, clouds)
    del land

    safe, layer = folder / f"{product.stem}.SAFE", folder / f"{product.stem}_lakes.gpkg"
    with written_beside(safe) as new_safe, written_beside(layer) as new_layer:
        _write_images(new_safe, product, view, unseen, day)
        (new_safe / product.metadata).write_text(product_xml(product), encoding="utf-8")
        (new_safe / product.granule / "MTD_TL.xml").write_text(tile_xml(product), encoding="utf-8")
        (new_safe / "manifest.safe").write_text(manifest_xml(product, new_safe), encoding="utf-8")
        _write_lakes(new_layer, lakes, when, product.transform(10), product.epsg)
    return safe, layer


def _beyond_swath(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """Returns `(H, W)` pixels the satellite did not see: for a third of the places, a corner."""
    cut = rng.random() < 1 / 3
    reach = rng.uniform(0.15, 0.40) * size if cut else -1.0
    rows, cols = np.ogrid[:size, :size]
    # The track runs some 12 degrees off north, so that the swath's edge cuts an upper right corner steeply.
    return (size - cols) + 0.45 * rows < reach


def _write_images(
    safe: Path, product: Product, view: View, unseen: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Writes the band files and, for level 2A, the scene classification, with nodata where `unseen`."""
    halves = {}
    wanted = [*product.bands, *(b for b in ("B03", "B04", "B08") if b not in product.bands and product.level == "L2A")]
    for band in wanted:
        rho = reflectance(view, band, product.level == "L1C")
        if product.level == "L2A" and band in ("B03", "B04", "B08"):
            halves[band] = halve(rho)
        if band not in product.bands:
            continue
        metres = BANDS[band].resolution
        if metres > 10:
            rho = halve(rho, metres // 10)
        rho += np.float32(NOISE) * rng.standard_normal(rho.shape, dtype=np.float32)
        rho *= 10_000
        digits = np.clip(np.rint(rho, out=rho) + product.offset, 1, 32_767).astype(np.uint16)
        digits[_coarse(unseen, metres // 10)] = 0
        write_jp2(safe / f"{product.image(band, metres)}.jp2", digits, product.epsg, product.transform(metres))
    if product.level == "L2A":
        scl = classify(view, halves["B03"], halves["B04"], halves["B08"])
        scl[_coarse(unseen, 2)] = 0
        write_jp2(safe / f"{product.image('SCL', 20)}.jp2", scl, product.epsg, product.transform(20))


def _coarse(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Returns which coarse pixels a mask touches: one with a part unseen has no value."""
    return mask if times == 1 else halve(mask.astype(np.float32), times) > 0


def write_jp2(path: Path, digits: NDArray[np.uint8] | NDArray[np.uint16], epsg: int, transform: Affine) -> None:
    """Writes one lossless JPEG 2000 file in the tiles, bit depth and resolution levels of the real products.

    Args:
        path: the file; its folder is made.
        digits: `(H, W)`, below 32768.
        epsg: code of its CRS.
        transform: pixel to CRS, of 10, 20 or 60 m pixels.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = {10: 1024, 20: 640, 60: 192}[round(transform.a)]
    bits = {"NBITS": 15} if digits.dtype == np.uint16 else {}
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        width=digits.shape[1],
        height=digits.shape[0],
        count=1,
        dtype=digits.dtype,
        crs=f"EPSG:{epsg}",
        transform=transform,
        QUALITY=100,
        REVERSIBLE="YES",
        RESOLUTIONS=5,
        blockxsize=tiles,
        blockysize=tiles,
        **bits,
    ) as out:
        out.write(digits, 1)


def _write_lakes(path: Path, lakes: Sequence[Lake], when: datetime, transform: Affine, epsg: int) -> None:
    """Writes the outlines of the lakes that hold water, as GeoPackage 1.2, which every QGIS in use reads whole."""
    there = [lake for lake in lakes if not lake.drained(when)]
    shores = [lake.outline(when, transform) for lake in there]
    table = gpd.GeoDataFrame(
        {
            "lake_id": [lake.lake_id for lake in there],
            "kind": [lake.kind for lake in there],
            "colour": [lake.colour for lake in there],
            "area_m2": [shore.area for shore in shores],
            "date": [when] * len(there),
        },
        geometry=shores,
        crs=f"EPSG:{epsg}",
    )
    table.to_file(path, layer="lakes", driver="GPKG", engine="pyogrio", VERSION="1.2", GEOMETRY_NAME="geom")
