"""Harmed products and zips; see `fuzz.py`."""

import hashlib
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import fuzz_zips
from fuzz_case import NO_FILE_TELLS, NUMBERS, Case, Kind, Truth, change_digits, flip, read_scene, scene_case
from fuzz_images import break_manifest, flip_jp2, lose_jp2, swap_bands, take_jp2, truncate_jp2, wrong_resolution

from datasets_def.synthetic.product import write_product

BANDS = ("B02", "B03", "B8A")

NO_FILE_TELLS |= {
    "JP2 bytes flipped, no manifest": "JPEG 2000 has no checksums of its own",
    "JP2 swapped between bands, no manifest": "an image file does not name its band",
    "JP2 of another date, no manifest": "an image file does not name its date",
    "zip without manifest, JP2 swapped": "an image file does not name its band, and the zip was packed afterwards",
}

# Harms a product and tells how, and what words of the scene would tell of it.
Harm = Callable[[Random, Path], str | tuple[str, str]]


def kinds(folder: Path) -> dict[str, Kind]:
    """Writes good products into a folder and gives the kinds of harm to copies of them."""
    good = [
        write_product(folder / "good", size=96, seed=1, bands=BANDS)[0],
        write_product(folder / "good", size=96, seed=1, bands=BANDS, baseline="02.14")[0],
        write_product(folder / "good", size=96, seed=1, bands=BANDS, level="L1C")[0],
    ]
    other_tile = write_product(folder / "tile", size=96, seed=1, bands=BANDS, lon=87.9)[0]
    other_date = write_product(folder / "date", size=96, seed=2, bands=BANDS)[0]
    truths = {path: Truth.of(read_scene(path, BANDS)) for path in good}

    def kind(harm: Harm, manifest: str, pack: Callable[[Random, Path], Path] | None = None) -> Kind:
        def make(rng: Random, here: Path) -> Case:
            source = rng.choice(good)
            product = Path(shutil.copytree(source, here / source.name))
            told = harm(rng, product)
            note, words = told if isinstance(told, tuple) else (told, "")
            if manifest == "none":
                (product / "manifest.safe").unlink(missing_ok=True)
            elif manifest == "sealed":
                seal(product)
            path = pack(rng, product) if pack else product
            return scene_case(f"{source.name[:44]}: {note}", path, truths[source], BANDS, words)

        return make

    xml: dict[str, Harm] = {
        "removed": remove_element,
        "duplicated": duplicate_element,
        "number replaced": replace_number,
        "number halved": halve_number,
        "EPSG changed": change_epsg,
        "corner moved": move_corner,
        "date changed": change_date,
        "date changed, name too": change_date_and_name,
        "baseline changed": change_baseline,
        "baseline and offsets changed": change_baseline_and_offsets,
        "offset of one band changed": change_one_offset,
        "truncated": truncate_xml,
        "bytes flipped": flip_xml,
        "digits changed": change_xml_digits,
        "DTD": add_dtd,
    }
    found = {f"XML {name}": kind(harm, "sealed") for name, harm in xml.items()}
    found |= {
        "XML bytes flipped, stale manifest": kind(flip_xml, "stale"),
        "XML number halved, no manifest": kind(halve_number, "none"),
        "JP2 bytes flipped": kind(flip_jp2, "stale"),
        "JP2 bytes flipped, no manifest": kind(flip_jp2, "none"),
        "JP2 truncated, no manifest": kind(truncate_jp2, "none"),
        "JP2 swapped between bands": kind(swap_bands, "stale"),
        "JP2 swapped between bands, no manifest": kind(swap_bands, "none"),
        "JP2 of another tile, no manifest": kind(partial(take_jp2, other_tile), "none"),
        "JP2 of another date": kind(partial(take_jp2, other_date), "stale"),
        "JP2 of another date, no manifest": kind(partial(take_jp2, other_date), "none"),
        "JP2 of 10 m in place of 20 m, no manifest": kind(wrong_resolution, "none"),
        "JP2 missing": kind(lose_jp2, "sealed"),
        "manifest broken": kind(break_manifest, "stale"),
        "zip member bytes flipped": kind(nothing, "none", fuzz_zips.pack_and_flip),
        "zip CRC wrong": kind(nothing, "stale", fuzz_zips.pack_wrong_crc),
        "zip backslashes": kind(nothing, "stale", partial(fuzz_zips.pack, rename=lambda name: name.replace("/", "\\"))),
        "zip __MACOSX": kind(nothing, "stale", fuzz_zips.pack_macos),
        "zip truncated": kind(nothing, "stale", fuzz_zips.pack_and_cut),
        "zip duplicate members": kind(nothing, "stale", fuzz_zips.pack_twice),
        "zip password flag": kind(nothing, "stale", fuzz_zips.pack_locked),
        "zip without manifest, JP2 swapped": kind(swap_bands, "none", fuzz_zips.pack),
        "zip directory bytes flipped": kind(nothing, "stale", fuzz_zips.pack_and_flip_directory),
        "zip XML number replaced": kind(replace_number, "sealed", fuzz_zips.pack),
    }
    return found


def seal(product: Path) -> None:
    """Brings the manifest's checksums up to date."""
    manifest = product / "manifest.safe"

    def entry(match: re.Match[str]) -> str:
        file = product / match[2]
        algorithm = "md5" if match[3] == "MD5" else "sha3_256"
        digest = hashlib.new(algorithm, file.read_bytes()).hexdigest() if file.exists() else match[4]
        return f'href="./{match[2]}"/><checksum checksumName="{match[3]}">{digest}'

    pattern = r'(href="\./)([^"]+)"/><checksum checksumName="([^"]+)">([0-9a-f]+)'
    manifest.write_text(re.sub(pattern, entry, manifest.read_text()))


def nothing(rng: Random, product: Path) -> str:
    """Leaves the product as it is."""
    return "nothing"


def xml_file(rng: Random, product: Path) -> Path:
    """One of the two metadata files."""
    return rng.choice(sorted(product.rglob("MTD_*.xml")))


def edit(path: Path, pattern: str, new: str) -> None:
    """Replaces text that must be there, once."""
    text, done = re.subn(pattern, new, path.read_text(), count=1)
    assert done, pattern
    path.write_text(text)


def element(rng: Random, text: str, pattern: str = "") -> re.Match[str]:
    """One element that holds text alone; groups: start tag, name, text."""
    found = [match for match in re.finditer(r"(<(\w+)[^<>]*>)([^<]*)</\2>", text) if re.search(pattern, match[2])]
    return rng.choice(found)


def remove_element(rng: Random, product: Path) -> str:
    """Removes one element."""
    path = xml_file(rng, product)
    text = path.read_text()
    match = element(rng, text)
    path.write_text(text[: match.start()] + text[match.end() :])
    return match[0]


def duplicate_element(rng: Random, product: Path) -> str:
    """Writes an element twice, with another number before or after the right one."""
    path = xml_file(rng, product)
    text = path.read_text()
    match = element(rng, text)
    other = re.sub(r"\d", lambda digit: str((int(digit[0]) + 3) % 10 or 1), match[3], count=rng.randint(1, 3))
    place = rng.choice([match.start(), match.end()])
    path.write_text(f"{text[:place]}{match[1]}{other}</{match[2]}>{text[place:]}")
    return f"{match[2]} {other} beside {match[3]}"


READ_NUMBERS = r"NROWS|NCOLS|ULX|ULY|XDIM|YDIM|^QUANT|BOA_QUANT|ADD_OFFSET$"


def replace_number(rng: Random, product: Path) -> str:
    """Writes something absurd in place of a number that is read."""
    path = xml_file(rng, product)
    text = path.read_text()
    match, new = element(rng, text, READ_NUMBERS), rng.choice(NUMBERS)
    path.write_text(f"{text[: match.start(3)]}{new}{text[match.end(3) :]}")
    return f"{match[2]} {match[3]} -> {new!r}"


def halve_number(rng: Random, product: Path) -> tuple[str, str]:
    """Writes a number that might be: of quantification and offset, the scene's own words tell what was read."""
    path = xml_file(rng, product)
    text = path.read_text()
    match = element(rng, text, READ_NUMBERS)
    new = f"{float(match[3]) / 2:g}"
    path.write_text(f"{text[: match.start(3)]}{new}{text[match.end(3) :]}")
    told = f"/ {new}" if "QUANT" in match[2] else f"{new}" if "OFFSET" in match[2] else ""
    return f"{match[1]} {match[3]} -> {new}", told


def change_epsg(rng: Random, product: Path) -> str:
    """Puts the tile into another zone, hemisphere or CRS."""
    code = rng.choice(["32644", "32646", "32745", "4326", "3857", "32600", "32661", "99999", "-1"])
    edit(*product.rglob("MTD_TL.xml"), r"EPSG:\d+", f"EPSG:{code}")
    return code


def move_corner(rng: Random, product: Path) -> str:
    """Moves the grids, all alike."""
    tag, by = rng.choice(["ULX", "ULY"]), rng.choice([10, -20, 60, 1000, 109_800])
    (path,) = product.rglob("MTD_TL.xml")
    path.write_text(re.sub(f"<{tag}>(-?\\d+)<", lambda m: f"<{tag}>{int(m[1]) + by}<", path.read_text()))
    return f"{tag} {by:+}"


def other_day(rng: Random) -> str:
    """A day of the mission, not that of the product."""
    return f"{rng.choice([2016, 2019, 2023])}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def change_date(rng: Random, product: Path) -> str:
    """Gives the product another start."""
    day = other_day(rng)
    edit(*product.glob("MTD_MSI*.xml"), r"<PRODUCT_START_TIME>\d{4}-\d\d-\d\d", f"<PRODUCT_START_TIME>{day}")
    return day


def change_date_and_name(rng: Random, product: Path) -> str:
    """Gives the product another start and the name that goes with it; its images and tile keep the right time."""
    day = change_date(rng, product)
    edit(*product.glob("MTD_MSI*.xml"), r"(<PRODUCT_URI>\w{11})\d{8}", rf"\g<1>{day.replace('-', '')}")
    return day


def change_baseline(rng: Random, product: Path) -> str:
    """Gives another baseline; offsets stay as they are."""
    baseline = rng.choice(["02.09", "04.00", "05.11", "99.99", "5.1", "00.00", "-1.00", "05"])
    edit(*product.glob("MTD_MSI*.xml"), "(<PROCESSING_BASELINE>)[^<]*", rf"\g<1>{baseline}")
    return baseline


def change_baseline_and_offsets(rng: Random, product: Path) -> tuple[str, str]:
    """Takes the offsets out and gives a baseline that has none; the product's name keeps the right one."""
    (path,) = product.glob("MTD_MSI*.xml")
    text = path.read_text()
    text = re.sub(r"<(BOA|RADIO)_ADD_OFFSET [^<]*</\w+>", "", text)
    path.write_text(re.sub("(<PROCESSING_BASELINE>)[^<]*", r"\g<1>02.09", text))
    return "02.09, no offsets", ""


def change_one_offset(rng: Random, product: Path) -> tuple[str, str]:
    """Gives one band that is read another offset."""
    (path,) = product.glob("MTD_MSI*.xml")
    number, new = rng.choice([1, 2, 8]), rng.choice([0, -999, 500, -2000])
    text, done = re.subn(rf'(ADD_OFFSET band_id="{number}">)[^<]*', rf"\g<1>{new}", path.read_text())
    path.write_text(text)
    return f"band {number} {new}" if done else "none to change", f"{new:+}"


def truncate_xml(rng: Random, product: Path) -> str:
    """Cuts a file."""
    path = xml_file(rng, product)
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) - 3)])
    return path.name


def flip_xml(rng: Random, product: Path) -> str:
    """Changes bytes of numbers and names alike, many enough to hit what matters."""
    path = xml_file(rng, product)
    path.write_bytes(flip(rng, path.read_bytes(), most=20))
    return path.name


def change_xml_digits(rng: Random, product: Path) -> tuple[str, str]:
    """Changes digits anywhere; where they are those of the radiometry, the scene's own words tell."""
    path = xml_file(rng, product)
    before = path.read_bytes()
    path.write_bytes(change_digits(rng, before))
    lines = zip(before.decode().splitlines(), path.read_text().splitlines(), strict=True)
    changed = [new.strip() for old, new in lines if old != new]
    numbers = [re.search(r"(QUANT|ADD_OFFSET).*>(-?\d+)<", line) for line in changed]
    told = [f"/ {float(m[2]):g}" if m[1] == "QUANT" else f"DN {float(m[2]) + 0.0:+g}" for m in numbers if m]
    return "; ".join(changed), told[0] if told else ""


def add_dtd(rng: Random, product: Path) -> str:
    """Declares entities, harmless or growing without bound."""
    path = xml_file(rng, product)
    head, rest = path.read_text().split("\n", 1) if "?>\n" in path.read_text() else path.read_text().split("?>", 1)
    bomb = '<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    entities = rng.choice([bomb, '<!ENTITY a SYSTEM "file:///etc/hostname">', '<!ENTITY a SYSTEM "http://localhost/">'])
    head = head if head.endswith("?>") else f"{head}?>"
    path.write_text(f"{head}<!DOCTYPE x [{entities}]>{rest.replace('</', rng.choice(['&a;</', '</']), 1)}")
    return entities[:40]
