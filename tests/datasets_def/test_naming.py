"""Names from inside files become names of files."""

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.markup import render

from datasets_def.naming import safe_name

NASTY = st.sampled_from(
    ["", ".", "..", "/", "\\", "*", "?", "[", "]", "[/b]", "\0", "\n", "\x1b[2J", "\x7f", "\u202e", "\ud800",
     "\U0001f30a", "é", "e\u0301", "CON", "nul.txt", "Com1", "lpt9.", " ", "~", "$", "`", "<", "|", ":", '"',
     "a" * 300, "水" * 90]
)  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(codec=None, categories=None)), st.lists(st.one_of(NASTY, st.text(max_size=3))).map("".join)
)
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


@settings(max_examples=500)
@given(TEXT)
@example("CON .txt")
@example("x" * 149 + ".y")
@example("NUL." + "0" * 145)
def test_any_text_becomes_one_safe_component(text):
    name = safe_name(text)
    assert 1 <= len(name.encode("utf-8")) <= 150
    assert not re.search(r'[/\\:*?"<>|\[\]{}$`~!&;#%^\'\x00-\x1f\x7f]', name)
    assert name == name.strip(" .") and name.isprintable()
    assert name.split(".")[0].rstrip().lower() not in DEVICES
    assert unicodedata.is_normalized("NFC", name)
    assert safe_name(name) == name


@given(TEXT)
def test_it_can_be_made_shown_and_drawn(tmp_path, text):
    name = safe_name(text)
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    assert folder.parent == tmp_path and folder.resolve().parent == tmp_path.resolve()
    assert any(tmp_path.glob(name))
    assert render(name).plain == name
    assert Figure().text(0, 0, name)._preprocess_math(name)[1] is False


@pytest.mark.parametrize(
    "name",
    [
        "S2A_MSIL2A_20241015T045701_N0510_R119_T45RVL_20241015T085704",
        "L1C_T45RVL_A048612_20241015T045702",
        "2024-10-15, Imja Tso (north)",
        "湖_2024",
    ],
)
def test_good_names_stay(name):
    assert safe_name(name) == name


def test_long_names_stay_apart():
    names = {safe_name("a" * 200 + ending) for ending in "xyz"}
    assert len(names) == 3
