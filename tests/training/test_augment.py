import torch

from glofgeo.config import AugmentConfig
from glofgeo.training.augment import Augment, symmetry

BANDS = ("B02", "B03", "B04", "B08")


def test_the_eight_symmetries_are_eight_and_keep_every_pixel():
    crop = torch.arange(25).view(5, 5)
    turned = {tuple(symmetry(crop, number).flatten().tolist()) for number in range(8)}
    assert len(turned) == 8
    assert all(sorted(values) == list(range(25)) for values in turned)


def test_image_and_mask_turn_together_and_labels_stay():
    torch.manual_seed(0)
    mask = torch.randint(0, 3, (32, 9, 9), dtype=torch.uint8)
    mask[mask == 2] = 255
    image = (mask == 1).float()[:, None].repeat(1, 4, 1, 1)
    changed, turned = Augment(BANDS)(image, mask)
    assert turned.dtype == torch.uint8 and changed.shape == image.shape
    assert not torch.equal(turned, mask)
    lake, land = turned == 1, turned != 1
    for crop, is_lake, is_land in zip(changed, lake, land, strict=True):
        assert crop[:, is_lake].amin() > crop[:, is_land].amax()
    assert torch.equal(mask.flatten(1).sort().values, turned.flatten(1).sort().values)


def test_light_is_another_for_each_crop_but_one_for_all_its_pixels():
    torch.manual_seed(1)
    image = torch.full((16, 4, 6, 6), 0.3)
    lit = Augment(BANDS).relight(image)
    assert lit.flatten(2).std(dim=2).max() < 1e-6
    assert lit[:, 0, 0, 0].unique().numel() == 16
    assert lit.min() >= 0.3 / 1.2 / 1.05 and lit.max() <= 0.3 * 1.2 * 1.05 + 0.031


def test_haze_adds_most_to_blue_and_least_to_infrared():
    torch.manual_seed(2)
    dark = Augment(BANDS).relight(torch.zeros(64, 4, 1, 1)).mean(dim=(0, 2, 3))
    assert (dark[:-1] > dark[1:]).all() and dark[-1] > 0


def test_the_same_seed_gives_the_same_crops():
    image, mask = torch.rand(4, 4, 8, 8), torch.randint(0, 2, (4, 8, 8), dtype=torch.uint8)
    torch.manual_seed(3)
    one = Augment(BANDS)(image, mask)
    torch.manual_seed(3)
    two = Augment(BANDS)(image, mask)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_light_is_one_for_all_bands_and_calibration_one_for_each():
    torch.manual_seed(4)
    grey = torch.full((400, 4, 1, 1), 0.3)
    light = Augment(BANDS, AugmentConfig(light=0.2, band=0.0, haze=0.0)).relight(grey)[..., 0, 0] / 0.3
    assert light.std(dim=1).max() < 1e-6
    bands = Augment(BANDS, AugmentConfig(light=0.0, band=0.2, haze=0.0)).relight(grey)[..., 0, 0] / 0.3
    assert torch.corrcoef(bands.T).fill_diagonal_(0).abs().max() < 0.2
    for gains in (light, bands):
        # As likely darker as brighter, by factors up to 1.2.
        assert 0.4 < (gains < 1).float().mean() < 0.6
        assert 1 / 1.2 <= gains.min() < 0.85 and 1.18 < gains.max() <= 1.2 + 1e-6
