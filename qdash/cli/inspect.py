"""`qdash inspect`: what is inside a variant of a model, and what its numbers mean."""

from contextlib import closing
from typing import Annotated

import typer

from qdash import execution
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, request_for_one
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.model_report import model_report_blocks
from qdash.cli.shown.progress import steps_bar
from qdash.execution.forward import result_of
from qdash.report import inspection_to_json
from qdash.runs.model_report import report_model
from qdash.settings import settings


def inspect(
    model: ModelOption,
    scheme: Annotated[str, typer.Option(help="A scheme from “qdash schemes”, or a recipe.")] = "original",
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Count what is inside a variant of a model, save it temporarily, and explain the numbers."""
    outputs = Outputs({"json": json})
    outputs.check()
    request = request_for_one(model, scheme, device, baseline_dtype)
    with stoppable() as stop, closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        report = result_of(report_model(request, len(request.variants) - 1, executor, stop), moved)
    if not outputs.to_stdout:
        display().show(*model_report_blocks(report))
    outputs.write(report, {"json": inspection_to_json})
    return 0
