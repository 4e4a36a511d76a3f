"""environment.yml and pyproject.toml promise the same packages."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent

# What conda-forge calls a package that has another name elsewhere.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def test_conda_users_get_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = {re.match(r"[\w-]+", text).group(): text for text in project["dependencies"]}
    expected = {text.replace(name, CONDA_NAMES.get(name, name), 1) for name, text in promised.items()}
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    packages = {text for text in conda if isinstance(text, str)}
    assert expected <= packages
    assert f"python{project['requires-python']}" in packages
    assert {"pytest", "pytest-xdist", "hypothesis"} <= {re.match(r"[\w-]+", text).group() for text in packages}
