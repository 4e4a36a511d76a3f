"""What a run prints before it starts. Names come from outside, so they are printed as they are."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from glofgeo.models import LoadReport
from glofgeo.terminal import one_line
from glofgeo.training.audit import Audit


def show_line(console: Console, text: str, head: str = "", style: str = "") -> None:
    """Prints a line whose text may come from outside, after a coloured head of our own."""
    console.print(Text.assemble((head, style), one_line(text)))


def show_audit(console: Console, audit: Audit) -> None:
    """Prints what trains and what validates, and what is to be known of it."""
    show_line(console, f"Areas for training and validation, split {audit.how}:")
    table = Table()
    for column in ("split", "km²", "lakes"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, size in audit.splits.items():
        table.add_row(Text(split), f"{size.area_km2:,.1f}", f"{size.lakes:,}")
    console.print(table)
    apart = ", ".join(f"{pair} {metres / 1000:.2f} km" for pair, metres in audit.distance_m.items())
    show_line(console, f"Least distance: {apart}. Lakes crossing split boundaries, excluded: {audit.lakes_left_out}.")
    if audit.lakes_undated:
        show_line(console, str(audit.lakes_undated), "Lakes without a date, excluded: ", "yellow")
    for split, share in audit.scene_overlap.items():
        show_line(console, f"{share:.0%} of the {split} windows come from scenes that are also used for training.")
    for text in audit.violations:
        show_line(console, text, "Leak, allowed: ", "bold red")
    for name, reason in audit.damaged.items():
        show_line(console, f"{name} ({reason})", "Damaged scene, left out: ", "yellow")


def show_weights(console: Console, report: LoadReport) -> None:
    """Prints what became of a weight file."""
    show_line(console, f"Weights from {report.source}:")
    table = Table(show_header=False)
    table.add_row("layout", Text(f"{report.layout}, prefix {report.prefix!r}" if report.prefix else report.layout))
    table.add_row("blocks", str(report.blocks))
    table.add_row("loaded", f"{report.loaded} tensors, {report.renamed} of them under another name")
    for title, names in (("left at initial value", report.initial), ("not used", report.left_over)):
        first = f"{len(names)}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" if names else "0"
        table.add_row(title, Text(first))
    console.print(table, highlight=False)
