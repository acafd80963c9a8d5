"""`qdash fit`: whether a model fits at a length of context, here and on graphics cards."""

from contextlib import closing
from typing import Annotated

import typer

from qdash import execution
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.fit import fit_blocks
from qdash.cli.shown.progress import steps_bar
from qdash.execution.forward import result_of
from qdash.records import FitReport, Request
from qdash.report import fit_to_json
from qdash.runs.fit import USUAL_CONTEXT, estimate_fit, measure_fit
from qdash.runs.plan import variants_of
from qdash.settings import settings


def fit(
    model: ModelOption,
    schemes: SchemesOption = "original",
    context: Annotated[
        int | None,
        typer.Option(
            metavar="TOKENS",
            help="Tokens of a conversation, prompt and answer together.",
            show_default=f"{USUAL_CONTEXT:,}, or the model's own context if that is shorter",
        ),
    ] = None,
    conversations: Annotated[int, typer.Option(metavar="N", help="Conversations held at once.")] = 1,
    measure: Annotated[bool, typer.Option("--measure", help="Run every scheme at three lengths too, to check the estimate.")] = False,
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Estimate the memory of a context under each scheme, and on which graphics cards it fits.

    Nothing is loaded unless it is measured. This machine is told in the data type that it computes in, cards in 16 bits.
    """
    outputs = Outputs({"json": json})
    outputs.check()
    request = Request(variants=variants_of(model, listed(schemes)), prompt="", device=device, baseline_dtype=baseline_dtype)
    report = _measured(request, context, conversations) if measure else estimate_fit(request, context, conversations)
    if not outputs.to_stdout:
        display().show(*fit_blocks(report))
    outputs.write(report, {"json": fit_to_json})
    return 3 if any(entry.problem is not None for entry in report.measured) else 0


def _measured(request: Request, context: int | None, conversations: int) -> FitReport:
    with stoppable() as stop, closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        return result_of(measure_fit(request, context, conversations, executor, stop), moved)
