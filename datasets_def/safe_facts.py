"""A product (.SAFE) as a scene on one of its grids."""

from datasets_def.bands import BANDS
from datasets_def.errors import GlofgeoError
from datasets_def.files import ABSENT, Layer
from datasets_def.radiometry import formula
from datasets_def.raster_checks import CLASSES
from datasets_def.safe import SafeProduct
from datasets_def.scene_facts import SceneFacts


def product_facts(product: SafeProduct, bands: tuple[str, ...], resolution: int) -> SceneFacts:
    """Puts the bands of a product on one grid.

    Args:
        product: its metadata.
        bands: names of those that are wanted.
        resolution: of the grid, metres. A band comes from its file at this resolution, or from its native file where
            that is coarser.

    Raises:
        GlofgeoError: If the product has no such grid or band.
    """
    path = product.path
    if resolution not in product.grids:
        raise GlofgeoError(f"{path}: no {resolution} m grid; it has {', '.join(map(str, sorted(product.grids)))} m")

    def layer(band: str, native: int, quantification: float = 1.0, offset: float = 0.0) -> Layer:
        wanted = max(native, resolution)
        image = product.files.get((band, wanted))
        absent = product.promised.get((band, wanted), f"{band} at {wanted} m")
        if not product.files:
            absent = "all images (there is none in IMG_DATA)"
        where = image.file.gdal_path if image else f"{ABSENT}{absent}"
        return Layer(where, 1, wanted // resolution, quantification, offset, image=image)

    # Level-2A has no cirrus band, by specification.
    known = [band for band in BANDS.values() if not (band.name == "B10" and product.level == "L2A")]
    layers = {
        band.name: layer(band.name, band.resolution, product.quantification, product.offsets[band.name])
        for band in known
    }
    for band in bands:
        if band not in layers:
            raise GlofgeoError(f"{path}: a {product.level} product has no {band}")
    if product.level == "L2A":
        layers[CLASSES] = layer(CLASSES, 20)
    radiometry = {band: (product.quantification, offset) for band, offset in product.offsets.items()}
    return SceneFacts(
        id=product.id,
        grid=product.grids[resolution],
        layers=layers,
        radiometry=f"{formula(radiometry, bands)}, {product.radiometry}",
        missing="DN 0, as in every product",
        datetime=product.datetime,
        baseline=product.baseline,
        level=product.level,
    )
