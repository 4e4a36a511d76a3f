"""A STAC API and a file server with ranges, on this machine, with faults to order."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import shapely
from shapely.geometry import shape

PIECE = 8192


@dataclass
class Served:
    """One answer: which bytes of which file were sent."""

    path: str
    start: int
    sent: int = 0
    status: int = 200


@dataclass
class CatalogServer:
    """What it serves, what it has served, and how it misbehaves.

    `fault` takes a path and the number of the request for it, and names a fault or gives None.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    items: list[dict] = field(default_factory=list)
    log: list[Served] = field(default_factory=list)
    searches: list[dict] = field(default_factory=list)
    fault: object = lambda path, number: None
    piece_pause_s: float = 0.0
    page: int = 2
    has_etags: bool = True
    url: str = ""
    process: subprocess.Popen | None = None
    busy: int = 0
    busiest: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, port: int = 0) -> "CatalogServer":
        self.http = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self.http.handle_error = lambda *_: None  # clients that are killed
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        else:
            self.http.shutdown()
            self.http.server_close()

    def move_out(self) -> None:
        """Serves what it has now from a process of its own, without faults, at the same address.

        GDAL waits for answers while it holds Python's lock.
        """
        self.stop()
        port = self.url.rpartition(":")[2]
        self.process = subprocess.Popen([sys.executable, __file__, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pickle.dump((self.files, self.items), self.process.stdin)
        self.process.stdin.close()
        self.process.stdout.readline()

    def sent(self, path: str) -> list[tuple[int, int]]:
        """First byte and number of bytes of every answer for a file that held some."""
        return [(one.start, one.sent) for one in self.log if one.path == path and one.sent]

    def search(self, asked: dict, offset: int) -> dict:
        first, last = asked["datetime"].split("/")
        box = shapely.box(*asked["bbox"])
        hits = [
            item
            for item in self.items
            if first <= item["properties"]["datetime"] <= last and shape(item["geometry"]).intersects(box)
        ]
        page = hits[offset : offset + self.page]
        links = []
        if offset + self.page < len(hits):
            links = [{"rel": "next", "href": f"{self.url}/search?offset={offset + self.page}", "method": "POST",
                      "body": asked, "type": "application/geo+json"}]  # fmt: skip
        return {"type": "FeatureCollection", "features": page, "links": links}


def _handler_of(server: CatalogServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def json(self, content, status=200):
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.searches.append(asked)
            fault = server.fault("/search", len(server.searches))
            if fault:
                return self.json({"description": "fault"}, int(fault))
            offset = int(parse_qs(urlsplit(self.path).query).get("offset", ["0"])[0])
            return self.json(server.search(asked, offset))

        def do_GET(self):
            path = urlsplit(self.path).path
            if path == "/":
                return self.json(_landing_page(server.url))
            with server._lock:
                server.busy += 1
                server.busiest = max(server.busiest, server.busy)
            try:
                return self.file(path)
            finally:
                with server._lock:
                    server.busy -= 1

        do_HEAD = do_GET

        def file(self, path):
            content = server.files.get(path)
            with server._lock:
                number = sum(one.path == path for one in server.log) + 1
                fault = server.fault(path, number) if content is not None else "404"
                wanted = self.headers.get("Range")
                etag = f'"{hashlib.md5(content or b"").hexdigest()}"'
                if self.headers.get("If-Range", etag) != etag:
                    wanted = None
                first, last = 0, len(content or b"") - 1
                if wanted:
                    begin, _, end = wanted.removeprefix("bytes=").partition("-")
                    first, last = int(begin), min(int(end or last), last)
                served = Served(path, first, 0, 206 if wanted else 200)
                if self.command == "GET":
                    server.log.append(served)
            if fault and fault.isdigit():
                served.status = int(fault)
                self.send_response(int(fault))
                if fault == "429":
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if first > last:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(served.status)
            length = last - first + 1
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            if server.has_etags:
                self.send_header("ETag", etag)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(length - 1 if fault == "length" else length))
            self.end_headers()
            if self.command == "GET":
                self.send(served, content[first : last + 1], fault)

        def send(self, served, body, fault):
            if fault == "bytes":
                body = body[:-1] + bytes([body[-1] ^ 1])
            if fault == "cut":
                body = body[: len(body) // 2]
            if fault == "length":
                body = body[:-1]
            try:
                for begin in range(0, len(body), PIECE):
                    self.wfile.write(body[begin : begin + PIECE])
                    served.sent += len(body[begin : begin + PIECE])
                    if fault == "slow" or server.piece_pause_s:
                        time.sleep(server.piece_pause_s or 0.05)
            except OSError:
                self.close_connection = True
            if fault == "cut":
                self.close_connection = True

    return Handler


def _landing_page(url: str) -> dict:
    conforms = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]
    links = [
        {"rel": "self", "href": url, "type": "application/json"},
        {"rel": "root", "href": url, "type": "application/json"},
        {"rel": "search", "href": f"{url}/search", "type": "application/geo+json", "method": "POST"},
    ]
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "test", "description": "for tests",
            "conformsTo": conforms, "links": links}  # fmt: skip


if __name__ == "__main__":
    files, items = pickle.load(sys.stdin.buffer)
    CatalogServer(files, items).start(int(sys.argv[1]))
    parent = os.getppid()
    print("ready", flush=True)
    while os.getppid() == parent:  # a killed test run leaves nothing behind
        time.sleep(1)
