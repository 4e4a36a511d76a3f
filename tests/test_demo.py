"""What the demo removes before it begins anew."""

import pytest

from glofgeo.demo import _clear, _note_files
from glofgeo.errors import GlofgeoError


def earlier(out):
    """What an earlier demo left."""
    _clear(out)
    for name in ("data/aoi.geojson", "maps/scene/lakes.gpkg", "run/best.safetensors", "scorecard.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("simulated")
    _note_files(out)


def test_an_earlier_demo_is_removed(tmp_path):
    earlier(tmp_path)
    (tmp_path / "maps" / "scene" / "lakes.gpkg-wal").write_text("of a program that showed it")
    _clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"demo.json", "scorecard.json"}


@pytest.mark.parametrize("name", ["maps/scene/project.qgz", "thesis.docx", "maps/link"])
def test_what_no_demo_wrote_stays_with_all_beside_it(tmp_path, name):
    out = tmp_path / "demo"
    earlier(out)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.docx").write_text("years")
    if name == "maps/link":
        (out / name).symlink_to(elsewhere)
    else:
        (out / name).write_text("mine")
    before = sorted(out.rglob("*"))
    with pytest.raises(GlofgeoError, match=name) as refusal:
        _clear(out)
    assert "--out" in str(refusal.value)
    assert sorted(out.rglob("*")) == before and (elsewhere / "thesis.docx").exists()


@pytest.mark.parametrize("mark", ["", "{}", '{"made_by": "me", "files": ["demo.json"]}', '["glofgeo demo"]'])
def test_a_folder_with_another_mark_is_not_ours(tmp_path, mark):
    (tmp_path / "demo.json").write_text(mark)
    with pytest.raises(GlofgeoError, match="no earlier demo"):
        _clear(tmp_path)
    assert (tmp_path / "demo.json").read_text() == mark
