"""`qdash mix`: the best scheme for each layer within a budget, and the proof that it is better."""

from contextlib import closing
from typing import Annotated

import typer

from qdash import execution
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.mix import mix_blocks
from qdash.cli.shown.progress import steps_bar
from qdash.execution.forward import result_of
from qdash.report import mix_to_json
from qdash.runs.mix import find_mix
from qdash.runs.mix.budget import read_budget
from qdash.runs.mix.choice import Limits
from qdash.runs.mix.questions import MIX_TASKS, questions_of
from qdash.settings import settings
from qdash.tasks import TASKS


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
        str | None, typer.Option(help=f"Whose questions are used, {' or '.join(MIX_TASKS)}; if left out, the one that suits the model.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of questions: half to search on, half to prove the result on; 0: all.")] = 64,
    together: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Layers that get one scheme, such as *.layers.3.*. Repeatable.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Layers that stay as they are, such as *.down_proj. Repeatable.")
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
    chosen, items = questions_of(task or _suited(model), limit or None)
    with stoppable() as stop, closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        steps = find_mix(
            model, listed(schemes), budget, items, executor, stop, task=chosen.key, plain=chosen.plain, max_tokens=chosen.max_new_tokens,
            rule=chosen.rule, limits=Limits(tuple(together or ()), tuple(keep or ())), device=device, baseline_dtype=baseline_dtype,
        )  # fmt: skip
        report = result_of(steps, moved)
    if not outputs.to_stdout:
        display().show(*mix_blocks(report))
    outputs.write(report, {"json": mix_to_json})
    return 3 if any(proof.problem is not None for proof in report.proof) else 0


def _suited(model: str) -> str:
    """The task that the model was made for, else stories."""
    return next((task.key for task in TASKS.values() if task.made_for == model), "cloze")
