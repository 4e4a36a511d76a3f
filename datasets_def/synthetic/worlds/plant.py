"""Plants synthetic lakes into a real image, so that real ground, haze and noise surround shores that are known."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from shapely.affinity import affine_transform

from datasets_def.synthetic.lakes import coverage
from datasets_def.synthetic.terrain import PIXEL_M, Floats
from datasets_def.synthetic.worlds.shape import draw_outline
from datasets_def.synthetic.worlds.waters import draw_water


def plant_lakes(
    rng: np.random.Generator, reflectance: Floats, lake: NDArray[np.bool_], count: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Plants lakes with shores finer than a pixel, from a few pixels to a fifth of the image across.

    Args:
        rng: randomness.
        reflectance: `(4, N, N)` in B02, B03, B04, B08, 1.0 = 100 %, NaN where nothing was seen.
        lake: `(N, N)`, what is lake already.
        count: how many to plant; they may overlap.

    Returns:
        The image and its lakes, as new arrays.
    """
    size = lake.shape[0]
    image, lake = reflectance.copy(), lake.copy()
    # The darkest ground tells how bright the air is; what is darker than that is not to be had in this image.
    air = np.nanpercentile(reflectance, 0.5, axis=(1, 2)) * rng.uniform(0.3, 1.0)
    grain = reflectance - gaussian_filter(np.nan_to_num(reflectance), (0, 1, 1))
    for _ in range(count):
        radius = 10 ** rng.uniform(0.1, np.log10(0.1 * size))
        x, y = rng.uniform(0, size, 2)
        ring = affine_transform(draw_outline(rng, radius), [PIXEL_M, 0, 0, PIXEL_M, PIXEL_M * x, -PIXEL_M * y])
        share = np.zeros(lake.shape, np.float32)
        window, cover = coverage(ring, size, 1)
        share[window] = cover
        if np.count_nonzero(share >= 0.5) < 3:
            continue
        water = draw_water(rng, rng.uniform(0, 1))
        depth = 0.2 + distance_transform_edt(share > 0.5) * 10 ** rng.uniform(-0.6, 1.0)
        for band in range(4):
            through = np.exp(-np.minimum(water.murk[band] * depth, 30))
            body = water.deep[band] + air[band] + 0.6 * image[band] * through + 0.3 * grain[band]
            image[band] += gaussian_filter(share, 0.4) * (body - image[band])
        lake |= share >= 0.5
    return image.astype(np.float32), lake & np.isfinite(image).all(axis=0)
