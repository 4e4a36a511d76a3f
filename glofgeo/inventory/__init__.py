"""What a lake layer is: the attributes of a lake, the GeoPackage, and how QGIS shows it."""

from glofgeo.inventory.attributes import COLUMNS, describe_lakes, geodesic_size, lake_ids
from glofgeo.inventory.combine import combine_lakes
from glofgeo.inventory.combine_by_date import combine_files
from glofgeo.inventory.geopackage import require_replaceable, write_lakes

__all__ = [
    "COLUMNS",
    "combine_files",
    "combine_lakes",
    "describe_lakes",
    "geodesic_size",
    "lake_ids",
    "require_replaceable",
    "write_lakes",
]
