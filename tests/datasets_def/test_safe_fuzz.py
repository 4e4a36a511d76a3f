"""Products whose metadata were damaged at random."""

import shutil

from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_def import open_scene
from glofgeo.errors import GlofgeoError


@settings(max_examples=60)
@given(st.data())
def test_whatever_happens_to_the_metadata_only_our_own_error_comes_out(small, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("mutated") / small.name
    shutil.copytree(small, folder, ignore=lambda *_: ["IMG_DATA"])
    path = data.draw(st.sampled_from([*sorted(folder.rglob("*.xml")), folder / "manifest.safe"]))
    content = bytearray(path.read_bytes())
    lines = content.splitlines(keepends=True)
    number = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["bytes", "drop", "twice", "text", "cut"]))
    if how == "bytes":
        for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)))):
            content[at] = value
    elif how == "text":
        start, end = lines[number].find(b">") + 1, lines[number].rfind(b"</")
        text = data.draw(st.sampled_from(["", "nan", "1e400", "-0", "9" * 500, "٣", "x", "&#0;", "&amp;", "..", "\n"]))
        lines[number] = lines[number][:start] + text.encode() + lines[number][max(start, end) :]
        content = bytearray(b"".join(lines))
    elif how == "cut":
        del content[number:]
    else:
        lines[number : number + 1] = [lines[number]] * (2 if how == "twice" else 0)
        content = bytearray(b"".join(lines))
    path.write_bytes(content)
    if data.draw(st.booleans()) and path.name != "manifest.safe":
        (folder / "manifest.safe").unlink()
    try:
        open_scene(folder)
    except GlofgeoError as error:
        assert "\n" not in str(error)
    finally:
        shutil.rmtree(folder)
