"""What the layout of the code promises: packages that stand alone, messages that fit every caller, short files."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = sorted(path.relative_to(ROOT) for room in ("datasets_def", "glofgeo") for path in (ROOT / room).rglob("*.py"))
SCRIPTS = sorted(path.relative_to(ROOT) for path in (ROOT / "benchmarks").glob("*.py"))
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

# The command line and its words, and the settings whose names are its flags.
COMMAND_LINE = (
    "cli.py", "change_command.py", "fetch_command.py", "flags.py", "help_groups.py", "messages.py", "terminal.py",
    "config.py", "settings.py", "map_command.py", "hazard_command.py",
)  # fmt: skip
SPEAK_OF_FLAGS = {Path("glofgeo") / name for name in COMMAND_LINE}


def tree(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def test_datasets_def_imports_nothing_of_glofgeo():
    for path in LIBRARY:
        for node in ast.walk(tree(path)) if path.parts[0] == "datasets_def" else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "glofgeo"], path


def test_library_messages_name_no_flag():
    flag = re.compile(r"(?<![\w-])--[a-z][\w.-]+")
    found = [
        f"{path}:{node.lineno}: {flag.search(node.value)[0]}"
        for path in LIBRARY
        if path not in SPEAK_OF_FLAGS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and flag.search(node.value)
    ]
    assert not found, "\n".join(found)


def test_no_file_is_over_300_lines():
    files = LIBRARY + SCRIPTS + TESTS
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in files}
    long = {path: length for path, length in lengths.items() if length > 300}
    assert not long, long
