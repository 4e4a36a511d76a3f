"""Writes the sheets of lakes: tables, a GeoPackage, and a report to read."""

from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from datasets_def.atomic import written_beside
from glofgeo.hazard.assess import Sheet
from glofgeo.hazard.criteria import AREA_AUC, CRITERIA
from glofgeo.hazard.lakes import LakeLayer
from glofgeo.hazard.report import report_html
from glofgeo.hazard.sheet import INDICATORS
from glofgeo.hazard.styles import flow_paths_qml, sheets_qml
from glofgeo.inventory.styled_geopackage import StyledLayer, stamp_of, write_styled

FILES = ("hazard.csv", "criteria.csv", "hazard.gpkg", "hazard.html")


def write_sheets(out: Path, lakes: LakeLayer, sheets: list[Sheet], facts: dict[str, str]) -> None:
    """Writes `hazard.csv`, `criteria.csv`, `hazard.gpkg` and `hazard.html` into a folder, each whole or not at all.

    The page comes first: it tells whose the rest is.

    Args:
        out: the folder; made if need be. Files of these names are replaced.
        lakes: the lakes.
        sheets: of each.
        facts: what all of it rests on (layer, DEM, its date, glaciers), for the report and the tables.

    Raises:
        OSError: If the folder cannot be written.
    """
    with written_beside(out / "hazard.html") as part:
        part.write_text(report_html(lakes, sheets, facts), encoding="utf-8")
    with written_beside(out / "hazard.csv") as part:
        indicator_table(lakes, sheets, facts).to_csv(part, index=False)
    with written_beside(out / "criteria.csv") as part:
        criteria_table(lakes, sheets).to_csv(part, index=False)
    with written_beside(out / "hazard.gpkg") as part:
        _write_layers(part, lakes, sheets, facts)


def indicator_table(lakes: LakeLayer, sheets: list[Sheet], facts: dict[str, str]) -> pd.DataFrame:
    """One row a lake and indicator: value, unit, lake area, method, source, evidence, range, date of the DEM, notes."""
    return pd.DataFrame(
        {
            "lake_id": name,
            "date": date,
            "indicator": indicator.name,
            "value": sheet.values[indicator.key],
            "unit": indicator.unit,
            "lake_area_km2": sheet.values["area_km2"],
            "method": indicator.method,
            "source": indicator.source,
            "evidence": indicator.evidence,
            "range": indicator.takes,
            "dem_date": facts["DEM date"],
            "notes": "; ".join(sheet.notes),
        }
        for name, date, sheet in zip(lakes.names, lakes.dates, sheets, strict=True)
        for indicator in INDICATORS
    )


def criteria_table(lakes: LakeLayer, sheets: list[Sheet]) -> pd.DataFrame:
    """One row a lake and criterion: whether it fires, and how well it alone, and area alone, tell lakes that burst."""
    return pd.DataFrame(
        {
            "lake_id": name,
            "date": date,
            "criterion": criterion.text,
            "fires": {None: "not known", True: "yes", False: "no"}[criterion.fires(sheet.values)],
            "value": sheet.values[criterion.column],
            "lake_area_km2": sheet.values["area_km2"],
            "auc_alone": criterion.auc,
            "auc_of_area": AREA_AUC,
            "fired_at_burst": criterion.fired[0] if criterion.fired else None,
            "fired_at_others": criterion.fired[1] if criterion.fired else None,
            "source": criterion.source,
        }
        for name, date, sheet in zip(lakes.names, lakes.dates, sheets, strict=True)
        for criterion in CRITERIA
    )


def _write_layers(path: Path, lakes: LakeLayer, sheets: list[Sheet], facts: dict[str, str]) -> None:
    """Layers `lakes` (indicators and criteria in columns) and `flow_paths`, and the table `indicators`."""
    names = pd.DataFrame({"lake_id": lakes.names, "date": lakes.dates})
    values = pd.DataFrame([sheet.values for sheet in sheets])
    fired = pd.DataFrame(
        [{f"c_{each.key}": each.fires(sheet.values) for each in CRITERIA} for sheet in sheets], dtype="boolean"
    )
    notes = pd.DataFrame({"dem_date": facts["DEM date"], "notes": ["; ".join(sheet.notes) for sheet in sheets]})
    outlines = [shapely.multipolygons(shapely.get_parts(shape)) for shape in lakes.outlines]
    table = pd.concat([names, values, fired, notes], axis=1).astype({"rgi_id": "str", "dam_type": "str"})
    has = [sheet.path is not None for sheet in sheets]
    columns = ["area_km2", "path_km", "path_drop_m", "downstream_deg"]
    paths = pd.concat([names, values[columns]], axis=1)[has].reset_index(drop=True)
    lines = [sheet.path for sheet in sheets if sheet.path is not None]
    rows = [
        {"column": i.key, "indicator": i.name, "unit": i.unit, "method": i.method, "range": i.takes, "source": i.source,
         "evidence": i.evidence}
        for i in INDICATORS
    ]  # fmt: skip
    layers = [
        StyledLayer("lakes", gpd.GeoDataFrame(table, geometry=outlines, crs="EPSG:4326"), "MultiPolygon",
                    "Indicators and criteria of each lake", sheets_qml()),
        StyledLayer("flow_paths", gpd.GeoDataFrame(paths, geometry=lines, crs="EPSG:4326"), "LineString",
                    "Paths of floods down to 15 km", flow_paths_qml()),
        StyledLayer("indicators", pd.DataFrame(rows), None, "What the columns of the lakes are"),
    ]  # fmt: skip
    newest = pd.to_datetime(pd.Series(lakes.dates, dtype="str"), errors="coerce", utc=True).max()
    write_styled(path, layers, stamp_of(newest))
