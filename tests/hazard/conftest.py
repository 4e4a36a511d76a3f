"""Ground whose answers can be worked out by hand."""

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from datasets_def.grid import Grid
from glofgeo.hazard.ground import PIXEL_M, ground_of

CRS_HERE = CRS.from_proj4("+proj=aeqd +lon_0=86.9 +lat_0=27.9 +datum=WGS84 +units=m")


@pytest.fixture
def make_ground():
    """Builds ground from a function of x (east) and y (north) in metres from the middle, around a lake."""

    def make(height, outline=None, half=60, then=None):
        side = half * PIXEL_M
        grid = Grid((2 * half, 2 * half), Affine(PIXEL_M, 0, -side, 0, -PIXEL_M, side), CRS_HERE)
        rows, cols = np.indices(grid.shape)
        x, y = grid.transform * (cols + 0.5, rows + 0.5)
        outline = shapely.box(-90, -90, 90, 90) if outline is None else outline
        return ground_of(np.asarray(height(x, y), np.float32), grid, outline, then)

    return make
