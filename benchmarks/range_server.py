"""A web server for tests and benchmarks: gives parts of files, as far away and as unreliable as wanted.

It is a process of its own: GDAL waits for answers while it holds Python's lock.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import Request as Call
from urllib.request import urlopen

_CHUNK = 2**16
_CONTROL = "/-/"


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        kind: a status to answer with, `cut` to break off in the middle of the body, or `login` to answer 401 to who
            gives no user name.
        match: text that the address with its query must hold.
        first: the first of these requests that fails, from 1.
        last: the last one.
        every: of those between, every how many-th fails.
    """

    kind: int | str
    match: str = ""
    first: int = 1
    last: int = 10**9
    every: int = 1


@dataclass(frozen=True)
class RangeServer:
    """A server at work.

    Attributes:
        url: of the folder.
    """

    url: str

    def fail(self, *faults: Fault) -> None:
        """Decides what goes wrong from now on, counting requests anew; nothing, without faults."""
        self._call("faults", [asdict(fault) for fault in faults])

    def requests(self) -> list[tuple[str, str, str]]:
        """Method, address with query, and range of all requests since the last call of `fail`."""
        return [tuple(request) for request in self._call("requests")]  # type: ignore[misc]

    def sent(self) -> int:
        """Bytes of bodies since the last call of `fail`."""
        return int(self._call("sent"))

    def _call(self, what: str, body: object = None) -> object:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Call(f"{self.url}{_CONTROL}{what}", data)) as answer:
            return json.load(answer)


@contextmanager
def serve(folder: Path, *, latency: float = 0, rate: float = 0) -> Iterator[RangeServer]:
    """Serves a folder on this machine until the block ends.

    Args:
        folder: of the files.
        latency: seconds before each answer.
        rate: bytes a second of a connection; 0 for as fast as can be.
    """
    command = [sys.executable, __file__, str(folder), "--latency", str(latency), "--rate", str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield RangeServer(f"http://127.0.0.1:{process.stdout.readline().strip()}")  # type: ignore[union-attr]
        finally:
            process.kill()


class _Server(ThreadingHTTPServer):
    # Of more than five connections at once, its default, the system drops some, whose second try comes a second later.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    latency: float
    rate: float
    faults: list[Fault]
    seen: list[tuple[str, str, str]]
    met: dict[Fault, int]
    sent = 0

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        if self.path.startswith(_CONTROL):
            self.tell(getattr(_Handler, {"requests": "seen"}.get(name := self.path[len(_CONTROL) :], name)))
        else:
            self.answer()

    def do_POST(self) -> None:
        faults = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _Handler.faults, _Handler.seen, _Handler.met, _Handler.sent = [Fault(**one) for one in faults], [], {}, 0
        self.tell(None)

    def log_message(self, *_: object) -> None:
        pass

    def tell(self, what: object) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fault(self) -> int | str:
        for fault in _Handler.faults:
            if fault.match in self.path and not (fault.kind == "login" and "Authorization" in self.headers):
                count = _Handler.met[fault] = _Handler.met.get(fault, 0) + 1
                if fault.first <= count <= fault.last and (count - fault.first) % fault.every == 0:
                    return 401 if fault.kind == "login" else fault.kind
        return 0

    def answer(self) -> None:
        asked = self.headers.get("Range", "")
        _Handler.seen.append((self.command, self.path, asked))
        fault = self.fault()
        time.sleep(self.latency)
        file = self.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if isinstance(fault, str) or (fault == 0 and file.is_file()):
            return self.send_part(file, asked, cut=fault == "cut")
        self.send_response(fault or 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_part(self, file: Path, asked: str, *, cut: bool) -> None:
        facts = file.stat()
        first, last = 0, facts.st_size - 1
        if asked:
            start, _, stop = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(stop or last), last)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{facts.st_size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("ETag", f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"')
        self.end_headers()
        if self.command == "HEAD":
            return
        with file.open("rb") as content:
            content.seek(first)
            self.send_body(content.read((last + 1 - first) // (2 if cut else 1)))
        if cut:
            self.close_connection = True
            self.connection.shutdown(2)

    def send_body(self, body: bytes) -> None:
        started = time.perf_counter()
        with suppress(ConnectionError):
            self.send_at_rate(body, started)

    def send_at_rate(self, body: bytes, started: float) -> None:
        for at in range(0, len(body), _CHUNK):
            piece = body[at : at + _CHUNK]
            self.wfile.write(piece)
            _Handler.sent += len(piece)
            if self.rate:
                time.sleep(max(0.0, started + (at + len(piece)) / self.rate - time.perf_counter()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--latency", type=float, default=0)
    arguments.add_argument("--rate", type=float, default=0)
    given = arguments.parse_args()
    _Handler.folder, _Handler.latency, _Handler.rate = given.folder, given.latency, given.rate
    _Handler.faults, _Handler.seen, _Handler.met = [], [], {}
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that breaks off is none of a server's business
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
