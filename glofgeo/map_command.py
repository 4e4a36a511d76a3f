"""The verb `map`; parses and delegates."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from glofgeo.config import MapConfig
from glofgeo.flags import Device, Offset, UsageError, with_fetched
from glofgeo.help_groups import HARDWARE
from glofgeo.messages import print_maps, print_outcome, print_success
from glofgeo.terminal import fail


def map_(  # noqa: PLR0913
    *,
    scene: Annotated[list[str], Parameter(consume_multiple=True)],
    checkpoint: Path | None = None,
    aoi: str | None = None,
    out: Path = Path("maps"),
    inventory: Path | None = None,
    offset: Offset = None,
    device: Device = "auto",
    overwrite: bool = False,
    dem: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    glaciers: Path | None = None,
    regions: Annotated[list[Path], Parameter(consume_multiple=True)] = [],  # noqa: B006 (not changed)
    dask: Annotated[str | None, Parameter(group=HARDWARE)] = None,
    settings: Annotated[MapConfig, Parameter(name="*", group=HARDWARE)] = MapConfig(),  # noqa: B008 (frozen)
) -> None:
    """Maps the lakes in Sentinel-2 scenes: lake polygons, rasters and an overview picture, ready for QGIS.

    Args:
        scene: .SAFE folders, zipped products, GeoTIFFs with named bands, folders of these, or @list.txt with one path
            per line. Also STAC items and COGs at https://… or s3://…, and the result of a search (search.json).
        checkpoint: model: .safetensors, an exported .onnx, or bundled (the model that comes with glofgeo); by default
            the newest runs/*/best.safetensors, or else bundled.
        aoi: map only this area of interest: a polygon file, or the name of a ready-made area.
        out: output folder. Each scene gets its own folder in it; several scenes also get one combined lakes.gpkg.
        device: where to compute.
        overwrite: map scenes again that this model has already mapped with these settings.
        inventory: GeoPackage of all lakes mapped so far, created if missing; maps are added, lakes keep names.
        dem: elevation model, one or several tiles or their folder: adds elevation, slope and cast shadow of each lake.
            A model that reads slope or shadow needs it. By default data/dem.tif, if it is there.
        glaciers: glacier outlines, such as RGI: adds the nearest glacier, the distance to it and the type of each lake.
            By default data/glaciers.gpkg, if it is there.
        regions: polygons of basins or countries (column basin or country): adds their names to each lake.
        dask: map on a Dask cluster: auto (this machine), the address of a scheduler (tcp://…), or its scheduler file.
        offset: DN offset of scenes that do not state theirs: -1000 from processing baseline 04.00 on, otherwise 0.
        settings: all other settings.
    """
    if not scene:
        raise UsageError("--scene names no scene: give one path or more.")
    from datasets_def.aoi import read_aoi
    from glofgeo.mapping.batch import map_scenes
    from glofgeo.mapping.scene_list import list_scenes
    from glofgeo.mapping.surroundings import read_surroundings
    from glofgeo.models.predictor import load_model

    paths = list_scenes(scene)
    area = read_aoi(aoi) if aoi else None
    model = load_model(checkpoint)
    surroundings = read_surroundings(*with_fetched(dem, glaciers), regions, dem_is_named=bool(dem))
    report = map_scenes(
        paths, model, out=out, aoi=area, settings=settings, device=device, overwrite=overwrite, offset=offset,
        surroundings=surroundings, dask=dask, inventory=inventory,
        progress=True, tell=print_outcome if len(paths) > 1 else print_success,
    )  # fmt: skip
    print_maps(report, model)
    if len(paths) == 1 and report.failed:
        raise next(iter(report.failed.values()))
    if report.failed:
        fail(1, f"{len(report.failed)} of {len(paths)} scenes failed; the others are finished")
