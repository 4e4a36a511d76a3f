import pytest

from datasets_def.atomic import written_beside


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_replaces_another(tmp_path):
    path = tmp_path / "new" / "a.tif"
    for text in ("one", "two"):
        with written_beside(path) as part:
            assert part.suffix == ".tif" and part.parent == path.parent
            part.write_text(text)
        assert path.read_text() == text
    assert names(path.parent) == ["a.tif"]


def test_a_folder_appears_whole_and_replaces_another(tmp_path):
    path = tmp_path / "a.SAFE"
    for name in ("one", "two"):
        with written_beside(path) as part:
            part.mkdir()
            (part / name).touch()
        assert names(path) == [name]
    assert names(tmp_path) == ["a.SAFE"]


@pytest.mark.parametrize("folder", [False, True])
def test_what_failed_leaves_the_old_one_and_nothing_else(tmp_path, folder):
    path = tmp_path / "a.gpkg"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="full"), written_beside(path) as part:
        part.mkdir() if folder else part.write_text("half")
        raise RuntimeError("disk full")
    assert names(tmp_path) == ["a.gpkg"]
    assert path.read_text() == "old"


def test_what_a_killed_process_left_is_not_mixed_in(tmp_path):
    with pytest.raises(KeyboardInterrupt), written_beside(tmp_path / "a") as part:
        left = part
        raise KeyboardInterrupt
    left.mkdir()
    (left / "half").touch()
    with written_beside(tmp_path / "a") as part:
        part.mkdir()
        (part / "whole").touch()
    assert names(tmp_path / "a") == ["whole"]
