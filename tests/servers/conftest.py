"""Real servers on this machine, with synthetic scenes at Imja Tso in them: `pytest -m servers`."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests

START = Path(__file__).with_name("start.sh")

# Where what the servers need is installed, once.
FOLDER = Path.home() / ".cache" / "glofgeo-servers"


class Folder(dict):
    """Files of the web server, by address: what is put here is written there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __setitem__(self, address: str, content: bytes) -> None:
        path = self.root / unquote(address).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclass
class Servers:
    """A STAC API, a web server and S3 storage.

    Attributes:
        stac: address of the API.
        url: address of the web server.
        files: of the web server.
        s3: address of the storage, which has a bucket `eodata`.
        access: key of the storage.
        secret: of that key.
        items: that are not yet in the API.
    """

    stac: str
    url: str
    files: Folder
    s3: str
    access: str
    secret: str
    items: list[dict] = field(default_factory=list)

    def publish(self, collection: str, items: list[dict]) -> str:
        """Puts items into a collection of their own, and returns its address."""
        about = {
            "type": "Collection", "stac_version": "1.0.0", "id": collection, "description": "for tests", "links": [],
            "license": "CC0-1.0",
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
        }  # fmt: skip
        address = f"{self.stac}/collections/{collection}"
        self.tell("POST", f"{self.stac}/collections", about)
        named = {item["id"]: item | {"collection": collection} for item in items}
        self.tell("POST", f"{address}/bulk_items", {"items": named, "method": "upsert"})
        return address

    def tell(self, method: str, address: str, body: dict) -> None:
        answer = requests.request(method, address, json=body, timeout=120)
        assert answer.ok, answer.text

    def upload(self, address: str, content: bytes) -> None:
        """Puts a file into the storage, at an address such as `s3://eodata/a/b`."""
        import obstore
        from obstore.store import S3Store

        bucket, _, key = address.removeprefix("s3://").partition("/")
        store = S3Store(
            bucket, endpoint=self.s3, access_key_id=self.access, secret_access_key=self.secret, region="default",
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip
        obstore.put(store, key, content)


@pytest.fixture(scope="session")
def servers():
    command = ["bash", str(START), str(FOLDER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert line, "the servers did not start"
        told = json.loads(line)
        yield Servers(
            told["stac"], told["files"], Folder(Path(told["folder"])), told["s3"], told["access"], told["secret"]
        )
        process.stdin.close()
