"""`qdash mix`: the best scheme for each layer within a budget, and the proof that it is better."""

from collections.abc import Generator
from contextlib import closing
from typing import Annotated

import typer

from qdash import execution
from qdash.catalog.schemes import find_scheme
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.mix import mix_blocks
from qdash.cli.shown.progress import steps_bar
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.records import MeasuredMix, MixReport, ProgressiveReport, Step
from qdash.report import mix_to_json
from qdash.runs.mix import find_mix, measure_progressive
from qdash.runs.mix.budget import read_budget
from qdash.runs.mix.choice import Limits
from qdash.settings import settings
from qdash.tasks import TASKS, CalibrationSet, bundled_set
from qdash.tasks.calibration import BUNDLED


def mix(
    model: ModelOption,
    schemes: SchemesOption,
    budget: Annotated[
        str,
        typer.Option(
            help="What the mix may take: a size of all weights (1.2GB, 900MiB); bits per weight of the layers quantized (3.5bits); "
            "times smaller than the original (4x); or the most damage (0.05nats), for the smallest mix."
        ),
    ],
    task: Annotated[
        str | None, typer.Option(help=f"Whose questions are used, {' or '.join(BUNDLED)}; if left out, the one that suits the model.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of questions: half to search on, half to prove the result on; 0: all.")] = 64,
    together: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Layers that get one scheme, such as *.layers.3.*. Repeatable.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Layers that stay as they are, such as *.down_proj. Repeatable.")
    ] = None,
    progressive: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEME",
            help="Also quantize step by step under this one of --schemes: least damage first, part by part, and in a random order.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Choose a scheme for each layer, or none, so that the model stays as close to the original as it can within the budget.

    What each layer costs is measured on half of the questions. On the other half the mix is compared with the original, with one scheme
    for all layers and with a mix drawn by chance. Exit status: 0 all done, 3 some of these did not run, 2 bad input, 130 interrupted.
    """
    outputs = Outputs({"json": json})
    outputs.check()
    read_budget(budget)
    calibration = bundled_set(task or _suited(model), limit or None)
    if progressive is not None:
        _check_progressive(progressive, schemes, calibration)
    failed, limits = None, Limits(tuple(together or ()), tuple(keep or ()))
    with stoppable() as stop, closing(execution.create(settings())) as executor:
        with display().progress(steps_bar()) as moved:
            steps = find_mix(
                model, listed(schemes), budget, calibration, executor, stop, limits=limits, device=device, baseline_dtype=baseline_dtype
            )
            report = result_of(steps, moved)
        if progressive is not None:
            orders = measure_progressive(report.sensitivity, progressive, calibration, executor, stop, limits)
            report, failed = _with_orders(report, orders)
    if not outputs.to_stdout:
        display().show(*mix_blocks(report))
    outputs.write(report, {"json": mix_to_json})
    if failed is not None:
        raise failed
    progressions = report.progressive.progressions if report.progressive is not None else ()
    measured: list[MeasuredMix] = [*report.proof, *(step for order in progressions for step in order.steps)]
    return 3 if any(one.problem is not None for one in measured) else 0


def _with_orders(
    report: MixReport, steps: Generator[Step | ProgressiveReport, None, ProgressiveReport]
) -> tuple[MixReport, QdashError | None]:
    """The report with all steps that are known when these end, and the error that they end with."""
    known: list[ProgressiveReport] = []
    failed = None
    with display().progress(steps_bar()) as moved:
        try:
            known.append(result_of(steps, lambda item: moved(item) if isinstance(item, Step) else known.append(item)))
        except QdashError as error:
            failed = error
    return report.model_copy(update={"progressive": known[-1]}) if known else report, failed


def _check_progressive(scheme: str, schemes: str, calibration: CalibrationSet) -> None:
    """Raise QdashError unless the scheme is one of those that are measured, and there are questions to measure the orders on."""
    known = [find_scheme(key).key for key in listed(schemes) if not find_scheme(key).is_baseline]
    if find_scheme(scheme).key not in known:
        raise QdashError(f"--progressive {scheme} is not one of --schemes.", f"Choose one of {', '.join(known)}.")
    if not calibration.held_out.items:
        raise QdashError("--progressive needs other questions than those that layers are measured on.", "Ask at least two with --limit.")


def _suited(model: str) -> str:
    """The task that the model was made for, else stories."""
    return next((task.key for task in TASKS.values() if task.made_for == model), "cloze")
