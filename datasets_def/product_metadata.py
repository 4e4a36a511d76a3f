"""What the metadata file of a product (`MTD_MSIL2A.xml`) says of reflectance, in the product or beside its bands."""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from datasets_def.bands import BANDS, QUANTIFICATION
from datasets_def.errors import GlofgeoError
from datasets_def.metadata_xml import LARGEST_XML, find_text, number, parse, short
from datasets_def.safe_names import LOCAL_BASELINE

# What catalogues that list single bands call it.
FILE_NAME = "product_metadata.xml"


def offset_beside(path: Path) -> float | None:
    """The offset in DN that the metadata of a product say, if they lie beside a file of one of its bands.

    Args:
        path: of the band.

    Returns:
        The same for all bands, with quantification 10000; None where no metadata are there.

    Raises:
        GlofgeoError: If the metadata cannot be understood, or bands differ.
    """
    beside = path.with_name(FILE_NAME)
    if not beside.is_file():
        return None
    with beside.open("rb") as file:
        content = file.read(LARGEST_XML + 1)
    if len(content) > LARGEST_XML:
        raise GlofgeoError(f"{beside}: is too large for the metadata of a product", "download it again")
    return offset_in(content, beside)


def offset_in(content: bytes, where: object, product: str | None = None) -> float:
    """As `offset_beside`, of the content of the metadata file.

    Args:
        content: of the file.
        where: for messages.
        product: name with `.SAFE` that the metadata have to give, if they give one.

    Raises:
        GlofgeoError: As `offset_beside`, or if they are those of another product.
    """
    root = parse(content, where)
    named = {(element.text or "").strip() for element in root.iter("PRODUCT_URI")}
    if product and named and product not in named:
        raise GlofgeoError(f"{where}: is of the product {short(min(named))}, not {product}", "try another catalogue")
    # Products of 2017 and 2018 call it Level-2Ap.
    level = "L1C" if "1C" in find_text(root, "PROCESSING_LEVEL", where) else "L2A"
    baseline = find_text(root, "PROCESSING_BASELINE", where)
    quantification, offsets, _ = product_radiometry(root, level, baseline, None, where)
    if quantification != QUANTIFICATION or len(set(offsets.values())) > 1:
        raise GlofgeoError(f"{where}: gives bands scales or offsets of their own", "give the whole product")
    return next(iter(offsets.values()))


def product_radiometry(
    root: Element, level: str, baseline: str, given: float | None, where: object
) -> tuple[float, dict[str, float], str]:
    """Reads how the DN of a product become reflectance; before baseline 04.00 there are no offsets.

    Args:
        root: of `MTD_MSIL2A.xml` or `MTD_MSIL1C.xml`.
        level: "L1C" or "L2A".
        baseline: processing baseline, "05.10".
        given: offset in DN that the user gives.
        where: for messages.

    Returns:
        Quantification value, offset in DN by band name, and how the latter is known, in words.

    Raises:
        GlofgeoError: If they are missing, impossible, or other than is given.
    """
    quantifications: tuple[str, ...]
    if level == "L1C":
        quantifications, offset_tag = ("QUANTIFICATION_VALUE",), "RADIO_ADD_OFFSET"
    else:
        # Products of 2017 and 2018 carry the second name.
        quantifications, offset_tag = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"), "BOA_ADD_OFFSET"
    tag = next((tag for tag in quantifications if next(root.iter(tag), None) is not None), quantifications[0])
    # 1000 in products of 2015, else 10000; an offset beyond it would be a reflectance beyond 1.
    quantification = number(find_text(root, tag, where), tag, where, 1000, 100_000)
    if not re.fullmatch(r"\d\d\.\d\d", baseline):
        raise GlofgeoError(
            f"{where}: gives {short(repr(baseline))} as PROCESSING_BASELINE", "download the product again"
        )
    declared: dict[str | None, float] = {}
    for element in root.iter(offset_tag):
        value = number(element.text, offset_tag, where, -quantification, quantification)
        if declared.setdefault(element.get("band_id"), value) != value:
            raise GlofgeoError(f"{where}: gives a band two values of {offset_tag}", "download the product again")
    # Level-2A has no cirrus band, by specification.
    bands = [band for band in BANDS.values() if not (band.name == "B10" and level == "L2A")]
    missing = [band.name for band in bands if str(band.band_id) not in declared]
    if declared and missing:
        raise GlofgeoError(f"{where}: lacks {offset_tag} of {', '.join(missing)}", "download the product again")
    known = {band.name: declared.get(str(band.band_id), 0.0) for band in bands}
    if not declared and float(baseline) >= 4:
        if given is not None:
            return quantification, dict.fromkeys(known, given), "offset as given"
        local = " (Sen2Cor on one's own computer)" if baseline == LOCAL_BASELINE else ""
        raise GlofgeoError(
            f"{where}: baseline {baseline}{local} without {offset_tag}, so its reflectance is unknown",
            "download the product again, or give the DN to add as offset, -1000 or 0",
            argument="offset",
        )
    if given is not None and set(known.values()) != {given}:
        listed = ", ".join(f"{value:g}" for value in sorted(set(known.values())))
        raise GlofgeoError(
            f"{where}: its offset is {listed}, not {given:g}", "give none for this product", argument="offset"
        )
    return quantification, known, "from the product's metadata"
