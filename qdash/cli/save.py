"""`qdash save`: one version of a model as files that load without qdash."""

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from pydantic import ValidationError

from qdash import execution
from qdash.checkpoints.new_folder import NewFolder
from qdash.checkpoints.uploading import PREFIX, HubRepository
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, request_for_one
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.progress import steps_bar
from qdash.cli.shown.saving import saved_blocks
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.records import Comparison, Request, Saved, Step
from qdash.report import model_card, saved_to_json
from qdash.runs.push import push_version
from qdash.runs.save import Card, save_version
from qdash.settings import settings

Saving = Callable[[Request, int, execution.Executor, Event], Generator[Step, None, Saved]]


def save(
    model: ModelOption,
    scheme: Annotated[str, typer.Option(help="A scheme from “qdash schemes”.")],
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help="The folder to make, or hub:USER/NAME.")],
    zipped: Annotated[bool, typer.Option("--zip", help="Make one file, PLACE.zip, in place of the folder.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Let anybody see the repository; if left out, only you can.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there already.")] = False,
    measured: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON of “qdash run” with this version: its figures go into the model card."),
    ] = None,
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Save a version of a model, with tokenizer, model card and the code that loads it.

    What was written is loaded again in a new process and compared with the version before anything is called saved.
    """
    outputs = Outputs({"json": json})
    outputs.check()
    comparison = None if measured is None else _comparison(Path(measured))
    request = request_for_one(model, scheme, device, baseline_dtype)
    saving = _saving(to, partial(model_card, comparison=comparison), zipped=zipped, public=public, overwrite=overwrite)
    with stoppable() as stop, closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        saved = result_of(saving(request, len(request.variants) - 1, executor, stop), moved)
    if not outputs.to_stdout:
        display().show(*saved_blocks(saved))
    outputs.write(saved, {"json": saved_to_json})
    return 0


def _saving(to: str, card: Card, *, zipped: bool, public: bool, overwrite: bool) -> Saving:
    """What saves a version at the place `to`."""
    if not to.startswith(PREFIX):
        if public:
            raise QdashError("--public is for the hub, and --to names a folder.", "Leave it out, or give --to hub:USER/NAME.")
        place = NewFolder(Path(to).expanduser().absolute(), overwrite, zipped)
        return lambda request, index, executor, stop: save_version(request, index, place, card, executor, stop)
    if zipped:
        raise QdashError("--zip is for a folder, and --to names a repository on the hub.", "Leave it out, or give a folder.")
    repository = HubRepository(to.removeprefix(PREFIX), overwrite, public)
    return lambda request, index, executor, stop: push_version(request, index, repository, card, executor, stop)


def _comparison(file: Path) -> Comparison:
    try:
        return Comparison.model_validate_json(file.read_bytes())
    except OSError as error:
        raise QdashError(f"--measured {file} cannot be read ({error.strerror}).", "Give the file of “qdash run --json FILE”.") from None
    except ValidationError:
        raise QdashError(f"--measured {file} is not the JSON of a comparison.", "Give the file of “qdash run --json FILE”.") from None
