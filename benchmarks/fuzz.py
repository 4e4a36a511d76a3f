"""Hostile inputs through the public API, in one process: what is refused, read rightly, or wrong in silence.

    python benchmarks/fuzz.py --count 1200 --seed 0 --out fuzz.md

Every case harms a copy of a good product, zip, raster, vector layer, checkpoint or configuration in a way that the
generator knows (`fuzz_products.py` and the others of that name), reads it, and compares
what is accepted with the truth: reflectance, valid pixels, place and time; ground covered; values. The verdicts:

- refused: with a `GlofgeoError`.
- right: as if nothing had been done, or as the file now says where it alone decides.
- told: wrong, but the scene's own words (`radiometry`, `missing`, a warning) say what was taken for true.
- silent: wrong without a word. Allowed for kinds in which no file tells that anything was changed.
- foreign: another exception.
- slow: more than 5 seconds.

Exits with 1 if anything was foreign or slow, or silent where a file tells.
"""

import argparse
import faulthandler
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from random import Random

import fuzz_band_files
import fuzz_products
import fuzz_rasters
import fuzz_settings
import fuzz_vectors
from fuzz_case import NO_FILE_TELLS, Case, Kind

from glofgeo.errors import GlofgeoError

SLOWEST = 5.0
# A case that never ends shows where it hangs, and ends the run.
HANGS = 60.0
VERDICTS = ("refused", "right", "told", "silent", "foreign", "slow")


def main() -> None:
    """Runs the cases, writes the table, and exits with 1 where the product fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1200, help="cases in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file of the table")
    arguments = parser.parse_args()
    start = time.perf_counter()
    results = run(arguments.count, arguments.seed)
    text = "\n".join(
        [
            f"{platform.machine()}, {os.cpu_count()} threads, {date.today()}, "
            f"`python benchmarks/fuzz.py --count {arguments.count} --seed {arguments.seed}`",
            "",
            *table(results),
            "",
            f"{time.perf_counter() - start:.0f} s in all.",
        ]
    )
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    failed = [line for kind, _, verdict, line in results if is_failure(kind, verdict)]
    print("\n".join(failed), file=sys.stderr)
    sys.exit(bool(failed))


Result = tuple[str, float, str, str]


def is_failure(kind: str, verdict: str) -> bool:
    """Whether the product should have done better."""
    return verdict in ("foreign", "slow") or (verdict == "silent" and kind not in NO_FILE_TELLS)


def run(count: int, seed: int) -> list[Result]:
    """Runs cases of all kinds in turn.

    Returns:
        Kind, seconds, verdict and what to print of each.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        makers = (fuzz_products, fuzz_rasters, fuzz_band_files, fuzz_vectors, fuzz_settings)
        kinds: dict[str, Kind] = {}
        for maker in makers:
            kinds |= maker.kinds(folder)
        names = list(kinds)
        # A run that is shorter than the list of kinds sees some of each module.
        Random(seed).shuffle(names)
        return [_run_one(number, names[number % len(names)], kinds, folder, seed) for number in range(count)]


def _run_one(number: int, kind: str, kinds: dict[str, Kind], folder: Path, seed: int) -> Result:
    here = folder / f"case{number}"
    here.mkdir()
    case = kinds[kind](Random(f"{seed} {number}"), here)
    faulthandler.dump_traceback_later(HANGS, exit=True)
    start = time.perf_counter()
    verdict, told = _judge(case)
    seconds = time.perf_counter() - start
    faulthandler.cancel_dump_traceback_later()
    shutil.rmtree(here)
    if seconds > SLOWEST:
        verdict = "slow"
    return kind, seconds, verdict, f"case {number}, {kind}: {verdict} ({seconds:.1f} s): {case.note}: {told}"


def _judge(case: Case) -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = case.read()
        except GlofgeoError as error:
            return ("refused", str(error)) if "\n" not in str(error) else ("foreign", f"two lines: {error}")
        except Exception as error:
            return "foreign", f"{type(error).__name__}: {error}"
    wrong = case.judge(found)
    if not wrong:
        return "right", ""
    words = case.words(found) + " ".join(str(w.message) for w in caught)
    return ("told" if case.told and case.told in words else "silent"), f"{wrong}; {words}"


def table(results: Iterable[Result]) -> list[str]:
    """Counts verdicts by kind, as Markdown."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = defaultdict(float)
    for kind, seconds, verdict, _ in results:
        for name in (kind, "all"):
            counts[name][verdict] += 1
            slowest[name] = max(slowest[name], seconds)
    lines = [f"| kind | cases | {' | '.join(VERDICTS)} | slowest (s) |", "|---" * (len(VERDICTS) + 3) + "|"]
    for kind in sorted(counts, key=lambda name: (name == "all", name)):
        figures = " | ".join(str(counts[kind][verdict] or "") for verdict in VERDICTS)
        star = " *" if kind in NO_FILE_TELLS else ""
        lines.append(f"| {kind}{star} | {counts[kind].total()} | {figures} | {slowest[kind]:.2f} |")
    silent = {kind: counts[kind]["silent"] for kind in NO_FILE_TELLS if counts[kind]["silent"]}
    lines += ["", f"\\* no file tells ({sum(silent.values())} silent):", ""]
    return lines + [f"- {kind} ({number}): {NO_FILE_TELLS[kind]}" for kind, number in silent.items()]


if __name__ == "__main__":
    main()
