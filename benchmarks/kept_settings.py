"""What the files in a folder were made with: nobody goes on in it with other settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets_def.atomic import written_beside
from datasets_def.errors import GlofgeoError

NAME = "made_with.json"


def keep_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Writes the settings into a folder, or makes sure that it holds the same.

    Args:
        folder: made where there is none.
        settings: what decides the files in it; JSON can hold them.

    Raises:
        GlofgeoError: If the folder was made with others.
    """
    path = folder / NAME
    if path.exists():
        there = json.loads(path.read_text())
        for name, value in settings.items():
            if there.get(name) != value:
                raise GlofgeoError(
                    f"{folder}: made with {name} {there.get(name)}, not {value}", "give another folder, or remove it"
                )
        return
    folder.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as part:
        part.write_text(json.dumps(dict(settings), indent=1) + "\n")
