import pytest
import torch

from glofgeo.config import ModelConfig, TrainConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import DinoV2Encoder, build_model, load_pretrained, save_checkpoint
from glofgeo.models.weights import band_filters

BANDS = ("B02", "B03", "B04", "B08")
GRID = 7


def encoder(in_channels=3, variant="tiny", **settings):
    torch.manual_seed(1)
    return DinoV2Encoder(variant, in_channels=in_channels, image_size=14 * GRID, **settings).eval()


@pytest.mark.parametrize("bands", [BANDS, ("B08", "B11", "B12"), ("B03", "B08"), ("B02", "B03", "B04", "B08", "B11")])
def test_grey_scene_answers_as_before(bands):
    weight = torch.randn(5, 3, 14, 14)
    arranged = band_filters(weight, ("B04", "B03", "B02"), bands)
    assert arranged.shape == (5, len(bands), 14, 14)
    torch.testing.assert_close(arranged.sum(1), weight.sum(1))


def test_colours_keep_their_filter_and_others_take_the_mean():
    weight = torch.randn(5, 3, 14, 14)
    red, green, blue = weight.unbind(1)
    expected = torch.stack([blue, green, red, weight.mean(1)], 1) * 3 / 4
    torch.testing.assert_close(band_filters(weight, ("B04", "B03", "B02"), BANDS), expected)


@torch.no_grad()
def test_our_own_checkpoint_is_loaded_by_its_bands(tmp_path):
    trained = build_model(ModelConfig("tiny", image_size=98)).eval()
    save_checkpoint(tmp_path / "own.safetensors", trained, TrainConfig(), {})
    order = [2, 0, 3, 1]
    model = encoder(4)
    report = load_pretrained(model, tmp_path / "own.safetensors", [BANDS[i] for i in order])
    assert report.prefix == "encoder.vit."
    x = torch.randn(1, 4, 56, 56)
    expected = trained.encoder.tokens(x, (12,))[0]
    torch.testing.assert_close(model.tokens(x[:, order], (12,))[0], expected, atol=1e-4, rtol=1e-4)


def test_bands_must_be_the_encoders():
    with pytest.raises(GlofgeoError, match="4 input bands"):
        load_pretrained(encoder(4), "none.pth", ("B04", "B03"))
    with pytest.raises(GlofgeoError, match="4 input bands"):
        load_pretrained(encoder(4), "none.pth", ("red", "green", "blue", "nir"))
