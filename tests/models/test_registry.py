import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

import glofgeo.models.registry  # noqa: F401
from glofgeo.errors import GlofgeoError
from glofgeo.models import DinoV2Encoder, load_pretrained
from glofgeo.models.encoder import SIZES


def create(arch, **settings):
    torch.manual_seed(0)
    return smp.create_model(arch, "glofgeo-dinov2-tiny", in_channels=4, encoder_weights=None, classes=1, **settings)


DECODERS = ["unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "upernet", "segformer", "pan"]


@pytest.mark.parametrize("arch", DECODERS)
def test_decoders_of_smp_answer_in_the_size_of_the_input_and_train_the_encoder(arch):
    size = (256, 288) if arch == "pan" else (96, 128)
    model = create(arch, **({"encoder_output_stride": 32} if arch == "pan" else {}))
    logits = model(torch.randn(2, 4, *size))
    assert logits.shape == (2, 1, *size)
    logits.square().mean().backward()
    assert model.encoder.vit.patch_embed.proj.weight.grad.abs().max() > 0
    if arch != "pspnet":  # it reads three maps only, none of the last block
        assert model.encoder.blocks[-1].ls1.gamma.grad.abs().max() > 0


@pytest.mark.parametrize("arch", DECODERS[:-1])
def test_multiples_of_28_are_enough(arch):
    logits = create(arch).eval()(torch.randn(1, 4, 84, 112))
    expected = (84, 112) if arch in ("unet", "segformer") else (96, 128)
    assert logits.shape[-2:] == expected


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(96, 160), (84, 112), (61, 45)])
@torch.no_grad()
def test_maps_are_the_encoders_own_each_twice_as_large_as_the_next(depth, size):
    torch.manual_seed(0)
    encoder = smp.encoders.get_encoder("glofgeo-dinov2-tiny", in_channels=4, depth=depth).eval()
    x = torch.randn(1, 4, *size)
    found, own = encoder(x), DinoV2Encoder.forward(encoder, x)
    assert found[0] is x
    assert [m.shape[1] for m in found] == encoder.out_channels
    rows, cols = -(-size[0] // 32), -(-size[1] // 32)
    expected = [(32 // stride * rows, 32 // stride * cols) for stride in (2, 4, 8, 16, 32)[:depth]]
    assert [tuple(m.shape[2:]) for m in found[1:]] == expected
    for resampled, plain, shape in zip(found[1:], own[1:], expected, strict=False):
        assert torch.equal(resampled, F.interpolate(plain, shape, mode="bilinear"))


def test_every_size_is_registered():
    names = {name for name in smp.encoders.get_encoder_names() if name.startswith("glofgeo-")}
    assert names == {f"glofgeo-dinov2-{variant}" for variant in ("tiny", "small", "base", "large")}
    for variant, size in SIZES.items():
        with torch.device("meta"):
            encoder = smp.encoders.get_encoder(f"glofgeo-dinov2-{variant}", in_channels=4)
        assert encoder.vit.embed_dim == size.width
        assert len(encoder.blocks) == size.depth + 1
        assert encoder.out_channels == [4, 32, *size.pyramid]
    small = smp.encoders.get_encoder("glofgeo-dinov2-small", in_channels=5)
    assert isinstance(small, DinoV2Encoder)
    assert small.variant == "small"
    assert small.out_channels[0] == 5


def test_pretrained_weights_load_into_the_encoder_of_a_decoder_of_smp(tmp_path):
    torch.manual_seed(1)
    original = DinoV2Encoder("tiny").eval()
    torch.save(original.vit.state_dict(), tmp_path / "weights.pth")
    model = create("fpn").eval()
    load_pretrained(model.encoder, tmp_path / "weights.pth")
    x = torch.randn(1, 4, 56, 56)
    original.stem, original.levels = model.encoder.stem, model.encoder.levels
    with torch.no_grad():
        assert torch.equal(model.encoder.tokens(x, (12,))[0], original.tokens(x, (12,))[0])
        # 56 px is two strides of 28, as 64 is of 32.
        assert torch.equal(model.encoder(x)[5], original(x)[5])


def test_sizes_and_decoders_that_cannot_work_say_so():
    with pytest.raises(GlofgeoError, match="encoder_output_stride 16: DINOv2 cannot be dilated"):
        create("deeplabv3plus")
    for depth in (0, 6):
        with pytest.raises(GlofgeoError, match=f"encoder_depth {depth}"):
            smp.encoders.get_encoder("glofgeo-dinov2-tiny", depth=depth)


def test_weights_cannot_be_named_at_creation():
    """They come through `load_pretrained`; smp's default, `imagenet`, must not pass for pretrained."""
    with pytest.raises(KeyError, match="Wrong pretrained weights `imagenet`"):
        smp.create_model("unet", "glofgeo-dinov2-tiny", in_channels=4)
