import pytest
import segmentation_models_pytorch as smp
import torch

import glofgeo.models  # noqa: F401
from glofgeo.errors import GlofgeoError
from glofgeo.models import DinoV2Encoder, load_pretrained


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


def test_every_size_is_registered():
    names = {name for name in smp.encoders.get_encoder_names() if name.startswith("glofgeo-")}
    assert names == {f"glofgeo-dinov2-{variant}" for variant in ("tiny", "small", "base", "large")}
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
    assert torch.equal(model.encoder.tokens(x, (12,))[0], original.tokens(x, (12,))[0])


def test_sizes_and_decoders_that_cannot_work_say_so():
    with pytest.raises(GlofgeoError, match="encoder_output_stride 16: DINOv2 cannot be dilated"):
        create("deeplabv3plus")
    with pytest.raises(GlofgeoError, match="encoder_depth 6"):
        smp.encoders.get_encoder("glofgeo-dinov2-tiny", depth=6)
