"""A second look, at the image made smaller: it decides in the middle of wide lakes and of wide ground.

Without a shore within reach, a network has only colour and texture to go by, and ice, mud and milky water share both.
Seen a quarter as large, a lake of a kilometre is a pond, and its shores are near.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from glofgeo.models.encoder import pad_to_multiple

_SHORE = 1
"""Pixels of the smaller image beside a shore, on both sides of it, that are left to the first look."""
_CORE = 4
"""Pixels of the smaller image from the middle of a lake to its shore: less is a pond, and the first look's."""
_NEAR = 24
"""Within so many such pixels, the first look has to see some lake: on even ground, the second one guesses as well."""
_NEVER = -30.0
"""Logit of what is no lake."""
_REACH, _EVEN = 16, 0.9
"""Ground overrules a lake of the first look only where that fills this share of all within so many such pixels: with
pixels of 10 m, some 1.3 km. Within less, the second look has taken a lake at the edge of a scene for ground."""


def shrink(reflectance: Tensor, factor: int) -> Tensor:
    """Averages blocks of pixels.

    Args:
        reflectance: ``(B, C, H, W)``; continued by reflection to whole blocks.
        factor: side of a block in pixels.

    Returns:
        ``(B, C, ceil(H / factor), ceil(W / factor))``.
    """
    return F.avg_pool2d(pad_to_multiple(reflectance, factor), factor)


def join_looks(near: Tensor, wide: Tensor) -> Tensor:
    """Joins the logits of both looks.

    Pixels that lie well within a wide lake of the wide look, and not far from some lake of the near one, take the
    higher logit. Pixels of a patch of which the near look calls nearly all lake for a good way around, and that the
    wide look calls ground, as well as all that is near it, take the lower one.

    Args:
        near: ``(B, 1, H, W)``, of the image.
        wide: ``(B, 1, h, w)``, of the image with pixels a whole number of times as large.

    Returns:
        ``(B, 1, H, W)``.
    """
    height, width = near.shape[-2:]
    factor = -(-height // wide.shape[-2])
    covered = F.pad(near, (0, -width % factor, 0, -height % factor), mode="replicate")
    share = F.avg_pool2d((covered > 0).to(near.dtype), factor)
    noticed = _most(share, _NEAR) == 1
    lake = torch.where(noticed, _most(_least(wide, _CORE), _CORE - _SHORE), _NEVER)
    ground = _most(wide, _SHORE)
    around = _mean(share, _REACH)
    overruled = _most(((around > _EVEN) & (ground < 0)).to(near.dtype), _REACH)

    def spread(small: Tensor) -> Tensor:
        return F.interpolate(small, scale_factor=float(factor), mode="bilinear")[..., :height, :width]

    joined = torch.maximum(near, spread(lake))
    return torch.where(spread(overruled) > 0.5, torch.minimum(joined, spread(ground)), joined)


# Along rows and then along columns: of a square of 49 pixels a side that is 98 to look at for each, and not 2401.
def _most(x: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(F.max_pool2d(x, (1, 2 * reach + 1), 1, (0, reach)), (2 * reach + 1, 1), 1, (reach, 0))


def _least(x: Tensor, reach: int) -> Tensor:
    return -_most(-x, reach)


def _mean(x: Tensor, reach: int) -> Tensor:
    across = F.avg_pool2d(x, (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)
    return F.avg_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)
