"""Brings pages of the site from files outside `docs/`, so that each text exists once."""

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

# Page of the site -> file of the repository, as `docs/` links to it.
PAGES = {
    "results.md": "benchmarks/RESULTS.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "bundled_model.md": "glofgeo/models/bundled/card.md",
    "map_a_scene.md": "notebooks/map_a_scene.ipynb",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.endswith(".ipynb"):
            text = notebook_as_markdown(text)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links to files of the repository, which work on GitHub, into links within the site."""
    for target, source in PAGES.items():
        markdown = re.sub(rf"\]\((\.\./)*{re.escape(source)}", f"]({target}", markdown)
    return re.sub(r"\]\((\.\./)*docs/", "](", markdown)


def notebook_as_markdown(text: str) -> str:
    """Gives the text cells of a notebook as they are, and its code cells as Python blocks."""
    cells = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        cells.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(cells) + "\n"
