"""Sheets that are finished, kept on disk, so that an interrupted run goes on where it stopped."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import shapely

from datasets_def.files import versions_of
from glofgeo.hazard.assess import Sheet
from glofgeo.version import __version__

_NAME = ".hazard-{}.jsonl"


class KeptSheets:
    """The sheets of one set of inputs, a line each; a run with other inputs has a file of another name.

    A line that a killed run left unfinished is as if it were not there. Several processes may add to one file.

    Attributes:
        path: the file; it appears with the first sheet.
    """

    def __init__(self, folder: Path, inputs: Sequence[Path], lakes: Sequence[str]) -> None:
        """Finds the file of these inputs.

        Args:
            folder: where the results will be.
            inputs: the files that all sheets rest on; they count as the same while name, size and time of change are.
            lakes: what the sheets are of, in order.
        """
        facts = [__version__, versions_of([str(path) for path in inputs]), list(lakes)]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        self.path = folder / _NAME.format(key)

    def read(self) -> dict[int, Sheet]:
        """Gives the sheets there are, by the number of their lake."""
        sheets: dict[int, Sheet] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            try:
                kept = json.loads(line)
                path = None if kept["path"] is None else shapely.from_wkb(kept["path"])
                sheets[int(kept["lake"])] = Sheet(kept["values"], kept["notes"], path)
            except (ValueError, KeyError, TypeError, shapely.errors.GEOSException):
                continue
        return sheets

    def add(self, lake: int, sheet: Sheet) -> None:
        """Keeps a sheet.

        Raises:
            OSError: If the file cannot be written.
        """
        facts = dataclasses.asdict(dataclasses.replace(sheet, path=None)) | {"lake": lake}
        facts["path"] = None if sheet.path is None else shapely.to_wkb(sheet.path, hex=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A line break on either side: the line of a run that was killed within it then spoils no other.
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(facts)}\n")

    def remove(self) -> None:
        """Removes what is no longer needed: this file, and those that other inputs have left."""
        for path in self.path.parent.glob(_NAME.format("*")):
            path.unlink(missing_ok=True)
