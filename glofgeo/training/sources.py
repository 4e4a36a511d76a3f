"""What a training learns from."""

from dataclasses import dataclass
from pathlib import Path

from geopandas import GeoDataFrame

from datasets_def.elevation import Dem
from glofgeo.resume import Inputs


@dataclass(frozen=True)
class Sources:
    """What a training learns from.

    Attributes:
        aoi: where to train and validate, any CRS; columns `split` and `place` are heeded.
        aoi_name: what to call it.
        scenes: folder of scenes, or one scene.
        lakes: layer of reference lakes, complete within the area of interest.
        offset: DN to add in scenes that do not state theirs, see `open_scene`.
        dem: for slope and shadow, if the model reads them.
        aoi_path: file of the area of interest; None if it has none.
    """

    aoi: GeoDataFrame
    aoi_name: str
    scenes: Path
    lakes: Path
    offset: float | None = None
    dem: Dem | None = None
    aoi_path: Path | None = None

    @property
    def inputs(self) -> Inputs | None:
        """What a run remembers of them; None if the area of interest is no file."""
        if self.aoi_path is None:
            return None
        paths = [str(path.absolute()) for path in (self.aoi_path, self.scenes, self.lakes)]
        tiles = tuple(str(path.absolute()) for path in (self.dem.files if self.dem else ()))
        return Inputs(paths[0], self.aoi_name, paths[1], paths[2], self.offset, tiles)
