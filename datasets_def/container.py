"""What a scene may be given as, and what its container tells of it."""

from pathlib import Path

from datasets_def.band_files import is_band_folder, read_band_files
from datasets_def.errors import GlofgeoError
from datasets_def.geotiff import read_raster
from datasets_def.in_place import is_remote, refuse_virtual
from datasets_def.product_path import check_path, find_product, holds_product, is_safe
from datasets_def.remote_raster import read_remote_raster
from datasets_def.safe import read_product
from datasets_def.safe_facts import product_facts
from datasets_def.scene_facts import SceneFacts
from datasets_def.stac_files import BadItem, holds_item, read_only_item
from datasets_def.stac_item import Item
from datasets_def.stac_scene import read_stac_scene
from datasets_def.web_address import shown, web_address

Source = str | Path | Item | BadItem


def read_container(
    source: Source, bands: tuple[str, ...], resolution: int, offset: float | None
) -> tuple[Path | str, SceneFacts]:
    """Gives what to call a scene in messages, and what its container tells.

    Args:
        source: as `open_scene` takes it.
        bands: names of those that are wanted.
        resolution: of a product's grid, in metres.
        offset: DN to add before dividing, if nothing tells.

    Raises:
        GlofgeoError: As `open_scene`.
    """
    if isinstance(source, BadItem):
        raise source.error
    if isinstance(source, Item):
        return source.address or source.id, read_stac_scene(source, bands, offset)
    if not isinstance(source, str | Path):
        raise GlofgeoError(
            f"a {type(source).__name__} is no scene", "give the path of a product or of a GeoTIFF with named bands"
        )
    address = web_address(source)
    if holds_item(address):
        return shown(address), read_stac_scene(read_only_item(address), bands, offset)
    if is_remote(address):
        return shown(address), read_remote_raster(address, bands, offset)
    refuse_virtual(source, str(source))
    path = Path(source)
    check_path(path, "no such scene", "check the path")
    if path.is_dir() and is_band_folder(path) and not holds_product(find_product(path)):
        return path, read_band_files(path, bands, offset)
    if is_safe(path):
        product = read_product(path, offset)
        return product.path, product_facts(product, bands, resolution)
    return path, read_raster(path, bands, offset)
