"""What may change in a crop without changing where its lakes are."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from datasets_def.bands import BANDS, TERRAIN
from glofgeo.config import AugmentConfig

# Haze scatters blue more than infrared: optical depth goes with wavelength to the power -1.3, the Ångström exponent
# of average continental aerosol (Ångström 1929, Geografiska Annaler 11, 156-166).
_ANGSTROM = 1.3
_REFERENCE_NM = 490.0


class Augment(nn.Module):
    """The eight symmetries of the square, and another sun and air, drawn for each crop of a batch.

    Crop positions are the sampler's. Randomness comes from torch's global generator on the CPU.
    """

    def __init__(self, bands: Sequence[str], config: AugmentConfig = AugmentConfig()) -> None:  # noqa: B008 (frozen)
        """Sets the strengths.

        Args:
            bands: names of the channels, in order.
            config: of light and air.
        """
        super().__init__()
        self.config = config
        # Terrain has no light of its own: no haze lies over it, and it grows neither brighter nor darker.
        haze = [0.0 if name in TERRAIN else (BANDS[name].wavelength / _REFERENCE_NM) ** -_ANGSTROM for name in bands]
        self.spectrum: Tensor
        self.register_buffer("spectrum", torch.tensor(haze), persistent=False)
        self.terrain = [number for number, name in enumerate(bands) if name in TERRAIN]

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Changes a batch.

        Args:
            image: float32 `(B, C, H, W)` reflectance, `H == W`.
            mask: uint8 `(B, H, W)`; turned and flipped like the image, its values untouched.
        """
        turns = torch.randint(8, (len(image),)).tolist()
        image = torch.stack([symmetry(crop, turn) for crop, turn in zip(image, turns, strict=True)])
        mask = torch.stack([symmetry(crop, turn) for crop, turn in zip(mask, turns, strict=True)])
        return self.relight(image), mask

    def relight(self, image: Tensor) -> Tensor:
        """Changes illumination, band calibration and haze of `(B, C, H, W)` reflectance."""
        batch, bands = image.shape[:2]
        light = _gains((batch, 1, 1, 1), self.config.light)
        band = _gains((batch, bands, 1, 1), self.config.band)
        gains = light * band
        gains[:, self.terrain] = 1
        air = self.config.haze * torch.rand(batch, 1, 1, 1)
        return image * gains.to(image.device) + air.to(image.device) * self.spectrum.view(1, -1, 1, 1)


def symmetry(crop: Tensor, number: int) -> Tensor:
    """Gives one of the square's eight symmetries of `(..., H, W)`: quarter turns, from 4 on mirrored as well."""
    crop = torch.rot90(crop, number % 4, (-2, -1))
    return crop.flip(-1) if number >= 4 else crop


def _gains(shape: tuple[int, ...], strength: float) -> Tensor:
    """Draws factors between `1 / (1 + strength)` and `1 + strength`, as likely below one as above."""
    return (1 + strength) ** (2 * torch.rand(shape) - 1)
