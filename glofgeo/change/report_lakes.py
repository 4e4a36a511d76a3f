"""The parts of the report that show lakes one by one: outlines and pictures before and after, and series."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from datasets_def.reproject import to_degrees
from datasets_def.scene import Scene, open_scene
from glofgeo import stac
from glofgeo.change.read_layer import PLANE, LakeLayer
from glofgeo.change.report_hazard import MOST_ALERTS, lake_now, largest_changes
from glofgeo.errors import GlofgeoError
from glofgeo.hazard.section import Section
from glofgeo.report.figures import draw_outlines, draw_series
from glofgeo.report.page import Html, day, km2, table
from glofgeo.report.pictures import RGB, Frame, draw_picture, frame_around
from glofgeo.terminal import steps

if TYPE_CHECKING:
    from glofgeo.change.compare import Changes


class LakeRows:
    """Tables of lakes, each a row; what it takes for them is looked up once.

    Attributes:
        changes: what is told of.
        hazard: the sheets, to which the names of lakes lead.
        progress: show a bar on the standard error.
    """

    def __init__(self, changes: "Changes", hazard: Section, progress: bool) -> None:
        self.changes, self.hazard, self.progress = changes, hazard, progress
        self._series = dict(list(changes.series.groupby("series_id"))) if len(changes.series) else {}
        self._scenes = [_scenes_at_hand(layer) for layer in changes.layers]

    def largest(self, number: int) -> str:
        """The largest changes of one pair of dates, from 0."""
        return f"<h3>The largest changes</h3>{self._table(largest_changes(self.changes, number))}"

    def alerts(self) -> str:
        """All alerts."""
        text = (
            "<h2 id=alerts>Alerts</h2><p>Tier 1: a loss of more than 3 sigma within 60 days. Tier 2: a significant "
            "loss of more than 30 %. <b>missing</b>: the later layer has no lake there, and nobody tells whether its "
            "ground was seen; <b>left out</b>: a still later layer has it again.</p>"
        )
        alerts = self.changes.alerts
        if len(alerts) > MOST_ALERTS:
            text += f"<p>The first {MOST_ALERTS} of {len(alerts)}; all are in alerts.csv.</p>"
        return text + (self._table(alerts.head(MOST_ALERTS)) if len(alerts) else "<p>None.</p>")

    def _table(self, rows: pd.DataFrame) -> str:
        told = [self._row(row) for row in steps(rows.to_dict("records"), "Drawing lakes", self.progress)]
        head = ("Lake", "What", "Dates", "Area, km²", "Sigma", "Before (dashed), after", "Seen before", "Seen after",
                "Series")  # fmt: skip
        shown = [i for i in range(len(head)) if i < 6 or any(row[i] for row in told)]
        return table([head[i] for i in shown], [[row[i] for i in shown] for row in told], "each")

    def _row(self, row: dict[Any, Any]) -> tuple[Any, ...]:
        """Everything about a lake; the pictures and the series may be empty."""
        changes = self.changes
        i = [layer.name for layer in changes.layers].index(row["layer_before"])
        j = [layer.name for layer in changes.layers].index(row["layer_after"])
        graph = changes.graphs[i]
        members = [cluster == row["cluster_id"] for cluster in (graph.cluster_before, graph.cluster_after)]
        if j > i + 1:  # across dates at which it was not observed
            lake = changes.of_lake[row["layer_before"]][np.flatnonzero(members[0])[0]]
            members = [changes.of_lake[row[f"layer_{side}"]] == lake for side in ("before", "after")]
        shapes = [
            shapely.union_all(changes.layers[k].lakes.geometry.to_numpy()[member]) if member.any() else None
            for k, member in zip((i, j), members, strict=True)
        ]
        chart = ""
        if self._series and members[0].any():
            of_lake = changes.of_lake[row["layer_before"]][np.flatnonzero(members[0])[0]]
            chart = draw_series(self._series[int(of_lake)])
        what = str(row["class"]).replace("_", " ")
        if "tier" in row:
            what = f"tier {row['tier']}, {row['finding'].replace('_', ' ')} ({what})"
        sigma = "" if pd.isna(row["z"]) else f"{row['z']:+.1f}"
        areas = f"{km2(row['area_before_m2'])} → {km2(row['area_after_m2'])}"
        dates = f"{day(row['date_before'])} to {day(row['date_after'])}"
        pictures = [Html(picture) for picture in self._pictures((i, j), shapes)]
        name = self.hazard.link(lake_now(changes, row), row["lake_id"] or "")
        return name, what, dates, areas, sigma, Html(draw_outlines(*shapes)), *pictures, Html(chart)

    def _pictures(self, dates: tuple[int, int], shapes: list[Any]) -> list[str]:
        """The ground at both dates in one frame, each with the outline of its date."""
        at_hand = [self._scenes[date] for date in dates]
        if not any(at_hand):
            return ["", ""]
        degrees = [None if shape is None else _in_degrees(shape) for shape in shapes]
        frame: Frame = frame_around([shape for shape in degrees if shape is not None])
        return [draw_picture(scenes, frame, outline) for scenes, outline in zip(at_hand, degrees, strict=True)]


def _in_degrees(shape: Any) -> Any:
    return to_degrees(gpd.GeoSeries([shape], crs=PLANE)).iloc[0]


def _scenes_at_hand(layer: LakeLayer) -> list[Scene]:
    """Opens the scenes of the maps that a layer comes from, as far as they are still on this machine."""
    found = []
    for mask in layer.masks:
        links = stac.read_document(mask.with_name("item.json")).get("links", [])
        origin = next((str(link["href"]) for link in links if link.get("rel") == "derived_from"), "")
        path = Path(mask.parent, unquote(origin))
        if origin and "://" not in origin and (scene := _opened(path)):
            found.append(scene)
    return found


def _opened(path: Path) -> Scene | None:
    """A scene that can be shown: where it does not tell its offset, a picture that is a little pale will do."""
    for offset in (None, 0.0):
        with suppress(GlofgeoError):
            return open_scene(path, RGB, offset=offset)
    return None
