"""What many tests share: small scenes, written once a session, and the command run in this process."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, settings
from rasterio.transform import from_origin

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, so that a change is to blame and not the day; `benchmarks/fuzz.py` looks for new ones.
settings.register_profile(
    "glofgeo",
    deadline=None,
    max_examples=50,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("glofgeo")

# A server for tests and benchmarks, and the scene that it serves.
sys.path += [str(Path(__file__).parent.parent / "benchmarks"), str(Path(__file__).parent)]

REAL_DATA = Path(__file__).parent.parent.parent / "shared" / "data"
WHEN = datetime(2024, 10, 15, 4, 57, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scenes and inventories beside the checkout, which is not part of the project."""
    if not REAL_DATA.is_dir():
        pytest.skip("real scenes and inventories are not part of the project and are not here")
    return REAL_DATA


@pytest.fixture(scope="session")
def product(tmp_path_factory) -> tuple[Path, Path]:
    """A synthetic Level-2A product of 300 x 300 pixels at Imja Tso, and its lakes."""
    from datasets_def.synthetic.product import write_product

    return write_product(tmp_path_factory.mktemp("product"), size=300, when=WHEN, seed=3)


@pytest.fixture(scope="session")
def stac_faults():
    """What the JSON schemas of STAC and of the declared extensions say against a document, offline.

    Of the model extension only an earlier schema is used: what we write must be valid there, too.
    """
    import json
    from importlib.resources import files

    from jsonschema import Draft7Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT7

    at = "https://schemas.stacspec.org/v1.1.0"
    core = Path(str(files("pystac.validation").joinpath("jsonschemas")))
    addresses = {f"https://geojson.org/schema/{path.name}": path for path in (core / "geojson").glob("*.json")}
    for path in (core / "stac-spec" / "v1.1.0").glob("*.json"):
        kind = path.stem if path.stem in ("catalog", "collection") else "item"
        addresses[f"{at}/{kind}-spec/json-schema/{path.name}"] = path
    for path in (Path(__file__).parent / "stac_schemas").glob("*.json"):
        addresses["https://stac-extensions.github.io/" + path.stem.replace("-", "/") + "/schema.json"] = path
    schemas = {address: json.loads(path.read_text()) for address, path in addresses.items()}
    ours = {"mlm/v1.5.2": "mlm/v1.4.0"}
    # The model extension names an earlier classification, whose classes the later one has, too.
    same = {"classification/v1.1.0": "classification/v2.0.0"}
    for asked, there in same.items():
        schemas[f"https://stac-extensions.github.io/{asked}/schema.json"] = schemas[
            f"https://stac-extensions.github.io/{there}/schema.json"
        ]
    registry = Registry().with_resources((address, DRAFT7.create_resource(s)) for address, s in schemas.items())

    def faults(document):
        text = json.dumps(document)
        for asked, there in ours.items():
            text = text.replace(f"io/{asked}/", f"io/{there}/")
        document = json.loads(text)
        kind = "item" if document["type"] == "Feature" else "collection"
        wanted = [f"{at}/{kind}-spec/json-schema/{kind}.json", *document.get("stac_extensions", [])]
        return [
            f"{address}: {error.json_path} {error.message}"
            for address in wanted
            for error in Draft7Validator(schemas[address], registry=registry).iter_errors(document)
        ]

    return faults


@pytest.fixture
def write_raster():
    """Writes a band-described GeoTIFF."""

    def write(path, array, *, bands=("B02", "B03", "B04", "B08"), crs="EPSG:32645", origin=(300000, 3100000),
              pixel=10.0, nodata=0, scale=None, offset=None, tells=True, **tags):  # fmt: skip
        array = np.asarray(array)
        if tells and not scale:
            tags = {"BOA_ADD_OFFSET": 0} | tags
        with rasterio.open(
            path, "w", driver="GTiff", dtype=array.dtype, count=len(array), height=array.shape[1],
            width=array.shape[2], crs=crs, transform=from_origin(*origin, pixel, pixel), nodata=nodata,
        ) as target:  # fmt: skip
            target.write(array)
            if bands:
                target.descriptions = bands
            if scale:
                target.scales, target.offsets = [scale] * len(array), [offset or 0.0] * len(array)
            target.update_tags(**tags)
        return Path(path)

    return write


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """An untrained tiny model."""
    import torch

    from glofgeo.config import DataConfig, ModelConfig, TrainConfig
    from glofgeo.models import build_model, save_checkpoint

    torch.manual_seed(0)
    config = TrainConfig(model=ModelConfig(variant="tiny", image_size=126), data=DataConfig(window=126))
    path = tmp_path_factory.mktemp("checkpoint") / "best.safetensors"
    save_checkpoint(path, build_model(config.model), config, {"note": "untrained"})
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command in this process: importing torch anew for every wrong input would take minutes."""
    from glofgeo import cli

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["glofgeo", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def refused(run):
    """Runs the command and returns its one line of refusal."""

    def call(*words):
        status, _, err = run(*words)
        lines = [line for line in err.splitlines() if line.startswith("glofgeo: ")]
        assert status == 2, err
        assert "Traceback" not in err
        assert len(lines) == 1
        return lines[0]

    return call


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Path:
    """A synthetic Level-2A product of 160 x 160 pixels."""
    from datasets_def.synthetic.product import write_product

    return write_product(tmp_path_factory.mktemp("kept"), size=160, when=WHEN, seed=3)[0]


@pytest.fixture(scope="session")
def cogs(kept, tmp_path_factory) -> Path:
    """That product as a catalogue keeps it: a COG a band, its metadata, and a STAC item beside them."""
    from remote_scene import write_cogs

    return write_cogs(kept, tmp_path_factory.mktemp("cogs"))


@pytest.fixture(scope="session")
def _server(cogs):
    from range_server import serve

    with serve(cogs) as server:
        yield server


@pytest.fixture
def web(_server, monkeypatch):
    """The COGs on a server that does what it should until it is told otherwise; tries follow at once."""
    from datasets_def import in_place, web_get

    monkeypatch.setattr(in_place, "_WAITS", (0.01,) * 5)
    monkeypatch.setattr(in_place, "_SETTINGS", in_place._SETTINGS | {"GDAL_HTTP_RETRY_DELAY": 0.01})
    monkeypatch.setattr(web_get, "_WAITS", (0.01, 0.01))
    monkeypatch.setattr(web_get, "_RETRY", web_get._RETRY.new(backoff_factor=0))
    _server.fail()
    yield _server
    in_place.close_all()
