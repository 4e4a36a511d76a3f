"""Two downloads never write into one folder."""

import os
import subprocess
import sys

import pytest

from datasets_def.processes import process_tag
from glofgeo.errors import GlofgeoError
from glofgeo.fetch.one_at_a_time import alone_in


def tag_of(number):
    return process_tag().replace(f"-{os.getpid()}", f"-{number}")


def test_a_folder_in_use_is_refused_and_a_dead_process_does_not_count(tmp_path):
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = tmp_path / f".fetching-{tag_of(living.pid)}"
    mark.touch()
    with pytest.raises(GlofgeoError, match=str(living.pid)), alone_in(tmp_path):
        pass
    living.kill()
    living.wait()
    with alone_in(tmp_path):
        assert not mark.exists()
    assert not list(tmp_path.iterdir())
