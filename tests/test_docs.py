"""Pages lead where they say, and name flags that exist; `.ci/run` builds the site strictly on top."""

import re
from pathlib import Path

import pytest

from glofgeo.cli import app
from glofgeo.presets import PRESETS

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
# Written into the site when it is built, see docs/site_hooks.py.
BUILT = {"map_a_scene.md", "results.md", "changelog.md", "contributing.md"}

# Of pytest, uv, git, Dask, SLURM and the scripts in benchmarks/.
FOREIGN = {
    "--group", "--check", "--chips", "--data", "--model", "--help", "--debug", "--version",
    "--crops", "--scheduler-file", "--nthreads", "--memory-limit", "--lifetime", "--gres",
    "--bidx", "--description",
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_within_the_repository_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if target.startswith("http") or target in BUILT:
            continue
        path = page.parent / target if target else page
        assert path.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}, link


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_flags_that_are_named_exist(page):
    known = {
        name
        for verb in app
        if not verb.startswith("-")
        for argument in app[verb].assemble_argument_collection()
        for name in argument.names
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", page.read_text(encoding="utf-8")))
    assert named - FOREIGN <= known


def test_presets_that_are_named_exist():
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert re.search(r"--config ([a-z|]+)\|FILE", text).group(1).split("|") == list(PRESETS)
