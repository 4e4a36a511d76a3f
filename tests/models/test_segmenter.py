import pytest
import torch
import torch.nn.functional as F

from glofgeo.config import ModelConfig
from glofgeo.errors import GlofgeoError
from glofgeo.models import build_model, require_bands

CONFIG = ModelConfig(variant="tiny", image_size=98)


def model(**settings):
    torch.manual_seed(0)
    return build_model(ModelConfig(variant="tiny", image_size=98, **settings)).eval()


MODEL = model()
DEEP = model(stem_channels=(8, 12, 16, 20, 24, 28))


@pytest.mark.parametrize("level", range(2, 6))
@torch.inference_mode()
def test_a_longer_stem_adds_detail_to_one_level_after_another(level):
    x = torch.rand(1, 4, 98, 126)
    stem = DEEP.encoder.stem(x)
    plain, fuller = DEEP.encoder.pyramid(x), DEEP.encoder(x)
    assert [len(one[0]) for one in fuller] == DEEP.encoder.out_channels
    assert torch.equal(fuller[level][:, : plain[level - 2].shape[1]], plain[level - 2])
    detail = fuller[level][:, plain[level - 2].shape[1] :]
    assert detail.shape[1] == stem[level].shape[1] and detail.std() > 0
    torch.testing.assert_close(detail.mean(), stem[level].mean(), rtol=0.1, atol=0.01)


SIZES = [(98, 98), (131, 200), (30, 30), (14, 15), (5, 9), (518, 518), (99, 1036), (1035, 211), (500, 333)]


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_logits_have_the_size_of_the_input(size):
    for one in (MODEL, DEEP):
        logits = one(torch.rand(1, 4, *size))
        assert logits.shape == (1, 1, *size)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()


@pytest.mark.parametrize(("size", "pad"), [((45, 61), (9, 11)), ((98, 113), (13, 0)), ((139, 70), (0, 1))])
@torch.inference_mode()
def test_an_odd_size_answers_as_its_reflection_does_there(size, pad):
    x = torch.rand(1, 4, *size)
    reflected = F.pad(x, (0, pad[0], 0, pad[1]), mode="reflect")
    assert torch.equal(MODEL(x), MODEL(reflected)[..., : size[0], : size[1]])


@torch.inference_mode()
def test_normalisation_is_the_models_own():
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    raw, normalised = model(mean=(0.0,) * 4, std=(1.0,) * 4), model(mean=mean, std=std)
    x = torch.rand(1, 4, 56, 56)
    by_hand = (x - torch.tensor(mean).view(4, 1, 1)) / torch.tensor(std).view(4, 1, 1)
    torch.testing.assert_close(normalised(x), raw(by_hand))
    assert not torch.allclose(normalised(x), raw(x))


@torch.inference_mode()
def test_logarithms_make_of_the_ratio_to_the_mean_reflectance_a_difference():
    mean = (0.1, 0.2, 0.3, 0.4)
    logarithms = model(mean=mean, log_input=True)
    raw = model(mean=(0.0,) * 4, std=(1.0,) * 4)
    x = torch.rand(1, 4, 56, 70)
    ratio = (x + 0.01) / (torch.tensor(mean).view(4, 1, 1) + 0.01)
    torch.testing.assert_close(logarithms(x), raw(ratio.log() / 0.6))
    dark = torch.full_like(x, -0.05)
    torch.testing.assert_close(logarithms(dark), logarithms(torch.zeros_like(x)))


def test_same_seed_same_model():
    again = model().state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in MODEL.state_dict().items())


@torch.inference_mode()
def test_an_answer_does_not_depend_on_the_rest_of_the_batch():
    x = torch.rand(3, 4, 70, 70)
    x[1:] *= 5
    torch.testing.assert_close(MODEL(x)[:1], MODEL(x[:1]), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_bfloat16_changes_little():
    x = torch.rand(1, 4, 70, 84)
    with torch.autocast("cpu", torch.bfloat16):
        half = MODEL(x)
    assert half.dtype == torch.float32
    assert (half.sigmoid() - MODEL(x).sigmoid()).abs().max() < 0.05


def test_every_parameter_learns():
    fresh = model().train()
    fresh(torch.rand(2, 4, 56, 70)).square().mean().backward()
    gradients = {name: p.grad for name, p in fresh.named_parameters()}
    assert not [name for name, gradient in gradients.items() if gradient is None]
    # LayerScale of the copied block at zero: the rest of that block learns from the second step on.
    still = {name for name, gradient in gradients.items() if not gradient.any()}
    assert all(name.startswith("encoder.vit.blocks.12.") and ".ls" not in name for name in still)


@torch.inference_mode()
def test_detail_finer_than_any_token_map_reaches_the_answer():
    x = torch.rand(1, 4, 56, 56)
    full, half = MODEL.encoder.stem((x - MODEL.mean) / MODEL.std)
    assert full.shape[2:] == (56, 56)
    assert half.shape[2:] == (28, 28)
    before = MODEL(x)
    handle = MODEL.encoder.stem.register_forward_hook(lambda _module, _inputs, maps: (maps[0].flip(-1), maps[1]))
    after = MODEL(x)
    handle.remove()
    assert not torch.allclose(before, after)


def test_a_scene_without_the_models_bands_is_refused_by_name():
    require_bands(CONFIG.bands, ("B08", "B11", "B04", "B03", "B02"), "scene.tif")
    with pytest.raises(GlofgeoError, match=r"scene\.tif has no B02, B08"):
        require_bands(CONFIG.bands, ("B04", "B03"), "scene.tif")


def test_decoder_needs_five_stages():
    with pytest.raises(GlofgeoError, match=r"decoder_channels .*give 5 values"):
        model(decoder_channels=(32, 16))
