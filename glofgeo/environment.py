"""What other programs left in the environment variables."""

import os
from importlib.util import find_spec
from pathlib import Path


def forget_foreign_data() -> None:
    """Lets PROJ and GDAL find the data they were built with; to be called before rasterio is imported.

    Another program's variables (of PostGIS, QGIS, an old Conda) lead them to tables of another version, which they
    refuse or misread. The wheels carry their own; other builds may need the variables.
    """
    found = find_spec("rasterio")
    if found and found.origin and (Path(found.origin).parent / "proj_data").is_dir():
        for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
            os.environ.pop(name, None)
