"""Environment variables that other programs have set."""

import os
from importlib.util import find_spec
from pathlib import Path


def forget_foreign_data() -> None:
    """Lets PROJ and GDAL find the data they were built with; must be called before rasterio is imported.

    Variables set by another program (PostGIS, QGIS, an old Conda) lead them to tables of another version, which they
    refuse or misread. Wheels of rasterio bring their own data; other builds may need the variables, which then stay.
    """
    found = find_spec("rasterio")
    if found and found.origin and (Path(found.origin).parent / "proj_data").is_dir():
        for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
            os.environ.pop(name, None)
