"""`qdash weights`: what schemes do to the weights of a model, or how those of other files differ from them, without running it."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from qdash import execution
from qdash.catalog.schemes import find_scheme
from qdash.cli.arguments import CsvOption, DeviceOption, HtmlOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.progress import steps_bar
from qdash.cli.shown.weight_files import file_layers_table, files_blocks
from qdash.cli.shown.weights import layers_table, weights_blocks
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.inputs import read_reference_text
from qdash.report import weights_to_csv, weights_to_html, weights_to_json
from qdash.runs.drift import bundled_text, measure_drift
from qdash.runs.weight_error import measure_weight_error
from qdash.runs.weight_files import compare_files
from qdash.settings import settings


def weights(
    model: ModelOption,
    schemes: SchemesOption = "",
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="MODEL",
            help="Another file of the same model, in place of schemes: its weights are compared with those of --model. Repeatable.",
        ),
    ] = None,
    drift: Annotated[
        bool,
        typer.Option(
            "--drift", help="With --against: how closely each model follows the one of --model along a text that comes with qdash."
        ),
    ] = False,
    text: Annotated[str | None, typer.Option(metavar="FILE", help="With --against: the same along the text in this file (UTF-8).")] = None,
    layers: Annotated[bool, typer.Option("--layers", help="List every layer too, worst first.")] = False,
    histograms: Annotated[
        bool, typer.Option("--histograms", help="Draw histograms of the weights before and after; in JSON, include their counts.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = None,
    csv: CsvOption = None,
    html: HtmlOption = None,
) -> int:
    """Measure the error that schemes make in the weights of a model, or how far the weights of other files of it lie from them.

    Every weight is measured, and what schemes do is cached for the next time. JSON and CSV always have every layer's figures. With
    --against, the errors are always those of the other file against --model: give the original there to see what each version lost.
    """
    outputs = Outputs({"json": json, "csv": csv, "html": html})
    outputs.check()
    keys = [find_scheme(key).key for key in dict.fromkeys(listed(schemes))]
    if keys and against:
        raise QdashError("--schemes and --against ask for two different reports.", "Give one of them.")
    along = _text(text) if text is not None else bundled_text() if drift else None
    if along is not None and not against:
        raise QdashError("--drift and --text compare two models along a text.", "Give the other one with --against.")
    with stoppable() as stop, closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        steps = (
            compare_files(model, against, executor, stop) if against else measure_weight_error(model, keys, executor, stop, device=device)
        )
        report = result_of(steps, moved)
        if along is not None:
            report = result_of(measure_drift(report, along, executor, stop, device=device), moved)
    if not outputs.to_stdout:
        display().show(*(files_blocks if against else weights_blocks)(report, histograms=histograms))
        if layers:
            display().show(file_layers_table(report) if against else layers_table(report))
    outputs.write(report, {"json": partial(weights_to_json, histograms=histograms), "csv": weights_to_csv, "html": weights_to_html})
    return 0


def _text(file: str) -> str:
    text = read_reference_text(Path(file))
    if text is None:
        raise QdashError(f"There is no text in {file}.", "Give a file with some.")
    return text
