"""What every container tells of a scene."""

from dataclasses import dataclass
from datetime import datetime

from datasets_def.files import Layer
from datasets_def.grid import Grid


@dataclass(frozen=True)
class SceneFacts:
    """What a scene's metadata say, whatever its container.

    Attributes:
        id: product name, tag `SCENE_ID`, or file name without ending.
        grid: where its pixels lie.
        layers: band name (or `SCL`) -> where its pixels lie and what they mean.
        radiometry: how the radiometry is known, in words.
        missing: how pixels without data are known, in words.
        datetime: acquisition time, UTC, or None.
        baseline: processing baseline ("05.10"), or None.
        level: "L1C" or "L2A", or None.
    """

    id: str
    grid: Grid
    layers: dict[str, Layer]
    radiometry: str
    missing: str
    datetime: datetime | None
    baseline: str | None
    level: str | None
