"""`qdash weights`: what schemes do to the weights of a model, without running it."""

from contextlib import closing
from functools import partial
from typing import Annotated

import typer

from qdash import execution
from qdash.catalog.schemes import find_scheme
from qdash.cli.arguments import CsvOption, DeviceOption, HtmlOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.screen import print_layers, print_weights, working
from qdash.report import weights_to_csv, weights_to_html, weights_to_json
from qdash.runs.weight_error import measure_weight_error
from qdash.settings import settings


def weights(
    model: ModelOption,
    schemes: SchemesOption,
    layers: Annotated[bool, typer.Option("--layers", help="List every layer too, worst first.")] = False,
    histograms: Annotated[
        bool, typer.Option("--histograms", help="Draw histograms of the weights before and after; in JSON, include their counts.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = None,
    csv: CsvOption = None,
    html: HtmlOption = None,
) -> int:
    """Measure the error that schemes make in the weights of a model.

    Every weight is measured, and the result is cached for the next time. JSON and CSV always have every layer's figures.
    """
    outputs = Outputs({"json": json, "csv": csv, "html": html})
    outputs.check()
    keys = [find_scheme(key).key for key in dict.fromkeys(listed(schemes))]
    with stoppable() as stop, closing(execution.create(settings())) as executor, working() as show:
        report = show(measure_weight_error(model, keys, executor, stop, device=device))
    if not outputs.to_stdout:
        print_weights(report, histograms=histograms)
        if layers:
            print_layers(report)
    outputs.write(report, {"json": partial(weights_to_json, histograms=histograms), "csv": weights_to_csv, "html": weights_to_html})
    return 0
