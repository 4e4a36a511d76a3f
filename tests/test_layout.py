"""What the layout of the code promises: packages that stand alone, messages that fit every caller, short files."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted(path.relative_to(ROOT) for room in ("datasets_def", "glofgeo") for path in (ROOT / room).rglob("*.py"))
SCRIPTS = sorted(path.relative_to(ROOT) for path in (ROOT / "benchmarks").glob("*.py"))

# The command line, what shows its words, and the settings whose names are its flags.
SPEAK_OF_FLAGS = {Path("glofgeo") / name for name in ("cli.py", "terminal.py", "config.py", "settings.py")}


def tree(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [path for path in LIBRARY if path.parts[0] == "datasets_def"], ids=str)
def test_datasets_def_imports_nothing_of_glofgeo(path):
    for node in ast.walk(tree(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not [name for name in names if name.split(".")[0] == "glofgeo"]


@pytest.mark.parametrize("path", [path for path in LIBRARY if path not in SPEAK_OF_FLAGS], ids=str)
def test_library_messages_name_no_flag(path):
    texts = [node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]
    flags = re.compile(r"(?<![\w-])--[a-z][\w.-]+")
    assert [text for text in texts if isinstance(text, str) and flags.search(text)] == []


@pytest.mark.parametrize("path", LIBRARY + SCRIPTS, ids=str)
def test_no_file_is_over_300_lines(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= 300
