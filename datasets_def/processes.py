"""Names of unfinished folders that identify the process working there, so that no other process removes them."""

import contextlib
import functools
import hashlib
import os
import socket
import time
from pathlib import Path

import psutil

# What a process of another machine left is given up at this age, since nobody here can ask whether it still runs.
ABANDONED_S = 86400

# What `process_tag` gives, to find it in a name.
TAG = r"[0-9a-f]{8}-\d+"


def process_tag() -> str:
    """Identifies this process among all that share a disk: its machine as 8 hexadecimal digits, `-`, its number."""
    return f"{_machine()}-{os.getpid()}"


def is_abandoned(tag: str, path: Path) -> bool:
    """Whether the process that a name identifies has ended.

    A process of this machine is asked for. Of others, only the age of what they wrote tells: a day without a change.

    Args:
        tag: as `process_tag` gave it to that process.
        path: file or folder that it made.
    """
    machine, _, number = tag.rpartition("-")
    if machine == _machine():
        return not _is_running(int(number))
    try:
        newest = max(entry.stat().st_mtime for entry in (path, *(path.iterdir() if path.is_dir() else ())))
    except FileNotFoundError:
        return False  # it is being removed, or still at work
    return time.time() - newest > ABANDONED_S


@functools.cache
def _machine() -> str:
    # Cloned machines share a name, and containers one without sharing process numbers; a boot and a process space are
    # shared by none.
    facts = [socket.gethostname(), "", ""]
    with contextlib.suppress(OSError):
        facts[1] = Path("/proc/sys/kernel/random/boot_id").read_text()
    with contextlib.suppress(OSError):
        facts[2] = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256("\n".join(facts).encode(errors="surrogateescape")).hexdigest()[:8]


def _is_running(number: int) -> bool:
    try:
        return bool(psutil.pid_exists(number))
    except OverflowError:
        return False
