"""How the DN of a raster file become reflectance: by what is declared; nothing is guessed.

A GeoTIFF made of a product does not always say whether its DN hold the offset of baseline 04.00 and later, and dates do
not tell, because archives are reprocessed.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_def.bands import OFFSET, QUANTIFICATION
from datasets_def.dn_sample import Sample
from datasets_def.errors import GlofgeoError
from datasets_def.product_metadata import offset_beside

# The name of a product: mission, level, sensing time, processing baseline, orbit, tile, discriminator.
PRODUCT_NAME = re.compile(r"S2[A-D]_MSI(L1C|L2A)_(\d{8}T\d{6})_N(\d\d)(\d\d)_R\d{3}_T\d{2}[A-Z]{3}_\d{8}T\d{6}")

# Sen2Cor writes it where it did not know the baseline.
_UNKNOWN_BASELINE = 99.99

# With the offset in them, a twentieth of the pixels of a band would have a reflectance below -0.04. On the real scenes
# at hand that hold it, the darkest twentieth of the darkest band of any piece of 10 km lies below DN 879 at the least.
_DARK_DN = 600.0

# The most that a picture of 8 bits holds; as reflectance, a scene darker than deep water.
_PICTURE = 255
# Reflectance of 2.5. What is scaled to the whole range of 16 bits goes beyond.
_BRIGHT_DN = 25_000

_LARGEST_ITEM = 2**22


@dataclass(frozen=True)
class Claim:
    """A statement about the offset, from metadata or a name.

    Attributes:
        offset: DN to add.
        source: where that stands, in words.
    """

    offset: float
    source: str


def of_baseline(baseline: str, source: str) -> Claim | None:
    """Gives the offset of a processing baseline ("05.10"); None where it implies none."""
    try:
        number = float(baseline)
    except ValueError:
        return None
    if not 0 < number < _UNKNOWN_BASELINE:
        return None
    return Claim(OFFSET if number >= 4 else 0.0, f"{source} {baseline}")


def baseline_in(name: str) -> str | None:
    """The processing baseline in a product's name, "05.10"; None where there is none."""
    found = PRODUCT_NAME.search(name)
    return f"{found[3]}.{found[4]}" if found else None


def level_in(text: str) -> str | None:
    """The processing level in a product's name or tag, "L1C" or "L2A"; None where there is none."""
    found = PRODUCT_NAME.search(text) or re.fullmatch(r"L(?:evel-)?(1C|2A)", text)
    return f"L{found[1].removeprefix('L')}" if found else None


def from_scales(
    where: object, scales: Mapping[str, tuple[float, float]], bands: Sequence[str], given: float | None
) -> tuple[dict[str, tuple[float, float]], str]:
    """Takes the scale and offset that a file's bands carry.

    Args:
        where: for messages.
        scales: of each band: reflectance = DN x scale + offset; (1, 0) where a band carries none.
        bands: those that are wanted.
        given: offset in DN that the user gives.

    Returns:
        (quantification, offset in DN) of every band, and how that is known, in words.

    Raises:
        GlofgeoError: If a wanted band carries none, or one that cannot be, or another than is given.
    """
    bare = [band for band in bands if scales[band] == (1.0, 0.0)]
    if bare:
        raise GlofgeoError(
            f"{where}: carries scale and offset for some bands, but not for {', '.join(bare)}", "set them"
        )
    known = {}
    for band, (scale, offset) in scales.items():
        possible = 1e-6 <= scale <= 1 and abs(offset) <= 1
        if not possible and band in bands:
            raise GlofgeoError(
                f"{where}: scale {scale:g} and offset {offset:g} of {band} are impossible", "correct the file"
            )
        known[band] = (round(1 / scale, 6), round(offset / scale, 6)) if possible else (1.0, 0.0)
    if given is not None and any(known[band][1] != given for band in bands):
        raise GlofgeoError(
            f"{where}: the offset {given:g} contradicts the file, whose bands carry {known[bands[0]][1]:g}",
            "give none, or correct the file",
            argument="offset",
        )
    return known, f"{formula(known, bands)}, from the file's scale and offset"


def refuse_mixture(where: object, known: Mapping[str, tuple[float, float]], hint: str) -> None:
    """Refuses bands that do not share scale and offset, as all those of a product do: one of them is told wrongly.

    Args:
        where: for messages.
        known: (quantification, offset in DN) by band; (1, 0) is floating-point reflectance, which has no scale.
        hint: what to do.

    Raises:
        GlofgeoError: If they differ.
    """
    offsets = {round(offset / quantification, 4) for quantification, offset in known.values()}
    scales = {round(one[0], 2) for one in known.values() if one != (1.0, 0.0)}
    if len(offsets) > 1 or len(scales) > 1:
        raise GlofgeoError(
            f"{where}: its bands disagree about scale and offset of their reflectance ({formula(known, list(known))})",
            hint,
        )


def formula(known: Mapping[str, tuple[float, float]], bands: Sequence[str]) -> str:
    """Words quantification and offset, band by band where they differ.

    Args:
        known: (quantification, offset in DN) by band.
        bands: those to tell of.
    """
    alike: dict[tuple[float, float], list[str]] = {}
    for band in bands:
        alike.setdefault(known[band], []).append(band)
    # Zero has a sign of its own, which says nothing here.
    words = {f"(DN {offset + 0.0:+g}) / {quantification:g}": names for (quantification, offset), names in alike.items()}
    if len(words) == 1:
        return next(iter(words))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in words.items())


def claims(path: Path, tags: Mapping[str, str], item: Mapping[str, Any]) -> list[Claim]:
    """Collects statements about the offset: of tags, names of file and folder, STAC item and product metadata.

    Args:
        path: of the file.
        tags: of the file, names in capitals.
        item: properties of its STAC item, empty without one.
    """
    found = claims_of_tags(path, tags)
    if (beside := offset_beside(path)) is not None:
        found.append(Claim(beside, "product metadata"))
    # Images lie up to five folders deep in their product.
    product = next((folder.name for folder in list(path.absolute().parents)[:5] if baseline_in(folder.name)), "")
    found += claims_of_names(path.name, product)
    # Earth Search's own flag of what it subtracted is wrong in both directions, so that its baseline tells nothing.
    if "s2:processing_baseline" in item and "earthsearch:boa_offset_applied" not in item:
        found += filter(None, [of_baseline(str(item["s2:processing_baseline"]), "STAC item with baseline")])
    return found


def claims_of_tags(where: object, tags: Mapping[str, str]) -> list[Claim]:
    """Collects what a file's tags say about the offset.

    Args:
        where: for messages.
        tags: names in capitals.
    """
    found: list[Claim | None] = []
    for tag in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
        if tag in tags:
            offset = _offset_in(tags[tag])
            if offset is None:
                raise GlofgeoError(f"{where}: its tag {tag} is {tags[tag]!r}, which is not an offset", "correct it")
            found.append(Claim(offset, f"tag {tag}"))
    if "PROCESSING_BASELINE" in tags:
        found.append(of_baseline(tags["PROCESSING_BASELINE"], "tag PROCESSING_BASELINE"))
    return [claim for claim in found if claim is not None]


def claims_of_names(*names: str) -> list[Claim]:
    """Collects what the baselines in names of products say about the offset."""
    found = (of_baseline(baseline, "product name with baseline") for baseline in map(baseline_in, names) if baseline)
    return [claim for claim in found if claim is not None]


def _offset_in(text: str) -> float | None:
    """Reads an offset in DN; None for what would be a reflectance beyond 1."""
    try:
        offset = float(text)
    except ValueError:
        return None
    return offset + 0.0 if abs(offset) <= QUANTIFICATION else None


def choose_offset(where: object, claimed: list[Claim], given: float | None, sample: Sample) -> tuple[float, str]:
    """Decides on the offset of integer DN that carry no scale.

    Args:
        where: for messages.
        claimed: what is said of it.
        given: by the user.
        sample: of the pixels.

    Returns:
        The offset, and how it is known, in words.

    Raises:
        GlofgeoError: If nothing tells, or what tells disagrees with the rest or with the pixels.
    """
    if _BRIGHT_DN < sample.brightest < math.inf:
        raise GlofgeoError(
            f"{where}: a hundredth of a band lies above DN {sample.brightest:.0f}, which no reflectance is",
            "export it as floating-point reflectance, not scaled to 16 bits",
        )
    offsets = {claim.offset for claim in claimed}
    if len(offsets) > 1:
        listed = " and ".join(f"{claim.source} ({claim.offset:+g})" for claim in claimed)
        raise GlofgeoError(f"{where}: {listed} disagree about the offset of its DN", "correct the file")
    if given is not None:
        if offsets - {given}:
            raise GlofgeoError(
                f"{where}: the offset {given:g} contradicts its {claimed[0].source}, which means {claimed[0].offset:g}",
                "give none, or correct that",
                argument="offset",
            )
        if given < 0 and sample.darkest < _DARK_DN:
            raise GlofgeoError(
                f"{where}: a twentieth of a band lies below DN {sample.darkest:.0f}, so its DN include no offset",
                "give 0, or none",
                argument="offset",
            )
        return given, "as given"
    if claimed:
        if claimed[0].offset < 0 and sample.darkest < _DARK_DN:
            raise GlofgeoError(
                f"{where}: its {claimed[0].source} means an offset of {claimed[0].offset:g}, but a twentieth of a band "
                f"lies below DN {sample.darkest:.0f}, so the offset may have been subtracted already",
                "change that (the name of a file, too) and give the offset, -1000 or 0",
                argument="offset",
            )
        return claimed[0].offset, f"from its {claimed[0].source}"
    if sample.empty:
        return 0.0, "no pixel is measured"
    if sample.brightest <= _PICTURE:
        raise GlofgeoError(
            f"{where}: DN up to {sample.brightest:.0f} are a picture, not reflectance",
            "give the product itself; divide a reflectance in percent by 100",
        )
    if sample.darkest < _DARK_DN:
        together = f" of {sample.files} pieces" if sample.files > 1 else ""
        return 0.0, f"measured: a twentieth of a band{together} lies below DN {sample.darkest:.0f}"
    raise GlofgeoError(
        f"{where}: does not say whether its DN include the offset of baseline 04.00 and later",
        "give the offset, -1000 if they do, 0 if not",
        argument="offset",
    )


def item_beside(path: Path) -> dict[str, Any]:
    """Reads the properties of a file's STAC item: a `<name>.json` or `item.json` beside it that refers to the file.

    Returns:
        Its `properties`; empty where there is none.
    """
    for candidate in (path.with_suffix(".json"), path.with_name("item.json")):
        try:
            if not candidate.is_file() or candidate.stat().st_size > _LARGEST_ITEM:
                continue
            item = json.loads(candidate.read_text(encoding="utf-8"))
            names = {Path(str(asset.get("href", ""))).name for asset in item["assets"].values()}
            if item["type"] == "Feature" and (path.name in names or item["id"] == path.stem):
                return dict(item["properties"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return {}
