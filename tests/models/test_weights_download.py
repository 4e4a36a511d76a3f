import urllib.error
from pathlib import Path

import pytest
import torch

from glofgeo.errors import GlofgeoError
from glofgeo.models import DinoV2Encoder, load_pretrained

GRID = 7


def encoder(in_channels=3, variant="tiny", **settings):
    torch.manual_seed(1)
    return DinoV2Encoder(variant, in_channels=in_channels, image_size=14 * GRID, **settings).eval()


def test_weights_that_come_incomplete_are_not_kept(tmp_path, monkeypatch):
    def broken_off(url, path, progress):
        torch.save({"pos_embed": torch.zeros(1000)}, path)
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) // 2])

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", broken_off)
    with pytest.raises(GlofgeoError, match="it came incomplete"):
        load_pretrained(DinoV2Encoder("small"), "dinov2")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_network_the_file_to_fetch_is_named(tmp_path, monkeypatch):
    def unreachable(url, path, progress):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    small = DinoV2Encoder("small", registers=4)
    with pytest.raises(GlofgeoError, match=r"dinov2_vits14_reg4_pretrain\.pth.*name the file") as raised:
        load_pretrained(small, "dinov2")
    assert str(tmp_path) in str(raised.value)
    with pytest.raises(GlofgeoError, match="no published weights for tiny"):
        load_pretrained(encoder(4), "dinov2")
