"""A page of HTML that stands alone: it opens on a phone without a network."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from glofgeo.errors import GlofgeoError
from glofgeo.report.figures import figure_styles
from glofgeo.version import __version__

STYLE = (
    "body{margin:0;font:16px/1.45 system-ui,sans-serif;color:#1a2530;background:#fff}"
    "main{max-width:1100px;margin:auto;padding:0 14px 60px}h1{margin:.6em 0 .2em}"
    "h2{margin-top:2em;overflow-wrap:anywhere}"
    ".lead{font-size:1.1em}.wide{overflow-x:auto;margin:.8em 0}table{border-collapse:collapse;font-size:.9em}"
    "th,td{text-align:left;padding:4px 10px;border-bottom:1px solid #dde3e9;vertical-align:top}"
    "td{white-space:nowrap}td:last-child{white-space:normal;min-width:12em}"
    ".text td{white-space:normal}"
    "th{background:#f4f6f8;white-space:nowrap}td{font-variant-numeric:tabular-nums}"
    "details{margin:.6em 0}summary{cursor:pointer;font-weight:600}"
    "i{display:inline-block;width:12px;height:12px;margin-right:6px;border-radius:6px;border:1px solid #334}"
    "#tip{position:fixed;left:8px;right:8px;bottom:8px;max-width:560px;margin:auto;padding:8px 12px;"
    "background:#1a2530;color:#fff;border-radius:6px;font-size:.9em}"
    "@media(max-width:700px){.each thead{display:none}.each tr{display:block;padding:8px 0;"
    "border-bottom:1px solid #dde3e9}.each td{display:inline-block;border:0}.each td:empty{display:none}"
    ".each td:last-child{min-width:0}}"
    "@media print{details>*{display:block}#tip{display:none}}"
)

# A disc tells about itself where the pointer is over it, or where it is touched.
SCRIPT = (
    'const tip=document.getElementById("tip");let old;'
    "function show(e){const t=e.target.dataset&&e.target.dataset.t;if(!t)return;"
    'if(old)old.classList.remove("sel");old=e.target;old.classList.add("sel");tip.textContent=t;tip.hidden=false}'
    'document.addEventListener("pointerover",show);document.addEventListener("click",show);'
)


# Lower bounds of the bands of elevation in m, and of the classes of distance to the nearest glacier in km.
BANDS_M = range(0, 9000, 500)
DISTANCES_KM = (0, 0.1, 0.5, 1, 2, 5, 10)


class Html(str):
    """Text that is markup already."""


def mark_of(verb: str) -> str:
    """What a page says of the verb that wrote it, and by which it is known again."""
    return f'<meta name="generator" content="glofgeo {verb}'


def require_own(folder: Path, verb: str, report: str, others: Iterable[str]) -> None:
    """Makes sure that a verb may write into a folder: none of its files is there, or all are its own.

    Args:
        folder: there or not.
        verb: of the command line.
        report: name of the page that it writes, before all else.
        others: names of its other files.

    Raises:
        GlofgeoError: If a file of one of these names is there without a page of that verb beside it, or the folder is
            no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise GlofgeoError(f"{folder}: is no folder", "name another one", argument="out")
    path = folder / report
    if path.is_file() and mark_of(verb) in path.read_text(encoding="utf-8", errors="replace")[:500]:
        return
    for name in (report, *others):
        if (folder / name).exists():
            raise GlofgeoError(
                f"{folder / name}: was not written by `glofgeo {verb}`, and is not replaced",
                "name another folder",
                argument="out",
            )


def page(verb: str, title: str, inner: str, colours: dict[str, str]) -> str:
    """Puts what a verb has to tell on a page.

    Args:
        verb: of the command line.
        title: plain text.
        inner: markup.
        colours: of the discs of a map, by their class, where it has one.
    """
    discs = f'<div id="tip" hidden></div><script>{SCRIPT}</script>' if colours else ""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{mark_of(verb)} {__version__}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{figure_styles(colours)}</style></head><body><main>"
        f"{inner}</main>{discs}</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "") -> str:
    """A table; text is escaped unless it is `Html`.

    Args:
        head: of its columns.
        rows: of its body.
        kind: `each` for rows that each stand as a block where the screen is narrow, `text` for cells of several lines.
    """

    def cell(value: Any) -> str:
        return value if isinstance(value, Html) else escape(str(value))

    body = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    top = "".join(f"<th>{cell(name)}</th>" for name in head)
    return f"<div class='wide {kind}'><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def folded(title: str, inner: str) -> str:
    """Markup that shows once its title is touched."""
    return f"<details><summary>{escape(title)}</summary>{inner}</details>"


def km2(square_metres: float) -> str:
    """Words an area, to 100 m2 below 1 km2."""
    return f"{square_metres / 1e6:.4f}" if abs(square_metres) < 1e6 else f"{square_metres / 1e6:.2f}"


def day(date: Any) -> str:
    """Words a date; NaT is unknown."""
    return "unknown" if date != date else f"{date:%Y-%m-%d}"


def band_of(value: float, bounds: Sequence[float], unit: str) -> str:
    """Names the class of a value; "" where it is not a number.

    Args:
        value: in the unit.
        bounds: lower bounds, ascending; the last class is open.
        unit: of both.
    """
    if value != value:
        return ""
    number = max(sum(value >= bound for bound in bounds) - 1, 0)
    end = f"{bounds[number + 1]:g}" if number + 1 < len(bounds) else ""
    return f"{bounds[number]:g}–{end} {unit}"
