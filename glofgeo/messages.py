"""What the command line prints about what a verb did: a line for each scene or file, one for a failure."""

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cyclopts import CycloptsError

from glofgeo.errors import GlofgeoError, NotInPlaceError
from glofgeo.flags import UsageError
from glofgeo.models.bundled import bundled_card, is_bundled, model_words
from glofgeo.terminal import fail, say, told

if TYPE_CHECKING:
    from glofgeo.mapping.batch import Outcome, Report
    from glofgeo.models import Predictor

# What is no bug in glofgeo, whoever writes, and what to do: a full or locked disk, a file in the place of a folder.
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free some space"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "check who may write there"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "a file is where a folder should be: move it away"),
}

# What to do after Ctrl-C; `train` says it itself, with its folder.
_GO_ON = {
    "map": "; finished scenes are kept, run the same command again to map the others",
    "hazard": "; finished lakes are kept, run the same command again to assess the others",
    "fetch": "; what has come is kept, run the same command again to fetch the rest",
}


def print_outcome(outcome: "Outcome") -> None:
    """Prints what was found in a scene, or why it failed."""
    if outcome.error is None:
        return print_success(outcome)
    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(outcome.error)
    ours = "" if isinstance(outcome.error, GlofgeoError) else f" ({type(outcome.error).__name__}: a bug in glofgeo)"
    text, scene = told(outcome.error), f"{outcome.scene}: "
    say(f"glofgeo: {scene}{text.removeprefix(scene)}{_fetch_line(outcome.error)}{ours}", file=sys.stderr)


def _fetch_line(error: Exception) -> str:
    """The command that fetches what cannot be read in place; empty for other errors."""
    if not isinstance(error, NotInPlaceError):
        return ""
    days = f"--from {error.day} --to {error.day}" if error.day else "--from DAY --to DAY"
    return f": glofgeo fetch --aoi AREA {days}"


def print_success(outcome: "Outcome") -> None:
    """Prints what was found in a scene, if it did not fail."""
    from glofgeo.mapping.record import summary
    from glofgeo.mapping.scene_folder import read_record

    if outcome.state == "outside":
        say(f"{outcome.scene}: outside the area of interest")
    elif outcome.folder:
        layer = outcome.folder / "lakes.gpkg"
        before = f" ({_kept(layer)})" if outcome.state == "kept" else ""
        say(f"{layer}: {summary(read_record(outcome.folder))}{before}")


def _kept(layer: Path) -> str:
    """Tells of a scene that was mapped before whether its layer is still that of the map."""
    from glofgeo.inventory.geopackage import require_replaceable

    try:
        require_replaceable(layer)
    except GlofgeoError:
        return "mapped before; the layer was changed since, and stays as it is"
    return "mapped before; --overwrite maps it again"


def print_maps(report: "Report", model: "Predictor") -> None:
    """Prints what a batch of scenes has come to."""
    if report.combined:
        say(f"{report.combined}: the lakes of all {len(report.mapped + report.kept)} scenes in one layer")
    if report.stale:
        say(f"{report.stale}: still holds what earlier calls mapped; map all scenes in one call to renew it")
    if report.inventory:
        say(f"{report.inventory}: all lakes so far under lasting names, with every observation and a form for review")
    if report.mapped or report.kept:
        print_model(model)
    if report.mapped:
        say("Drag layers.qlr from the same folder into QGIS: lakes, mask and probability, named after scene and date.")


def print_model(model: "Predictor") -> None:
    """Prints which model has mapped; of the one that comes with glofgeo also what nobody knows."""
    say(f"Model: {model_words(model.name, model.sha256)}")


def print_description(path: Path, offset: float | None) -> None:
    """Prints what a model or a scene is; of the model that comes with glofgeo its card first."""
    bundled = is_bundled(path)
    if bundled or path.suffix in (".safetensors", ".onnx", ".pt", ".pth", ".ckpt"):
        from glofgeo.models.predictor import load_model

        model = load_model(path)
        from glofgeo.models.checkpoint import describe_header

        model.on()  # tells damage to its weights
        told = describe_header(model.card)
    else:
        from datasets_def.describe import describe_scene

        told = describe_scene(path, offset)
    for line in [*(bundled_card().splitlines() if bundled else ()), *told.splitlines()]:
        say(line)


def print_verification(path: Path) -> None:
    """Reads a whole product and prints which of its files are damaged or missing; exits if there are any."""
    from datasets_def.verify import verify_product

    found = verify_product(path)
    for fault in found.faults:
        say(fault)
    counts = f"{path}: {found.good} files are whole, {found.unknown} have no checksum"
    if found.faults:
        fail(2, f"{counts}, {len(found.faults)} are damaged or missing; download the product again")
    say(counts)


def print_failure(error: BaseException, verb: str, verbs: list[str]) -> NoReturn:
    """Prints why a verb ended, and exits with 2 for wrong input, 1 for a bug in glofgeo, 130 for Ctrl-C.

    Raises:
        BaseException: The error itself, if it is a bug and `--debug` was given.
    """
    if isinstance(error, CycloptsError | UsageError):
        command = f"glofgeo {verb}" if verb in verbs else "glofgeo"
        fail(2, f"{error} Verbs: {', '.join(verbs)}. See `{command} --help`.")
    if isinstance(error, GlofgeoError):
        fail(2, told(error) + _fetch_line(error))
    if isinstance(error, KeyboardInterrupt):
        fail(130, "stopped" + _GO_ON.get(verb, ""))
    if "--debug" in sys.argv:
        raise error
    if isinstance(error, OSError) and (remedy := _REMEDIES.get(error.errno or 0)):
        fail(2, f"{error.filename or 'the disk'}: {error.strerror}; {remedy}, or choose another folder with --out")
    fail(1, f"{type(error).__name__}: {error} (a bug in glofgeo; --debug shows where)")
