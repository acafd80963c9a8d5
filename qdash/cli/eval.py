"""`qdash eval`: one task for every variant of a model, from options to a table and files."""

from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from qdash import execution
from qdash.cli.arguments import (
    CsvOption,
    DeviceOption,
    DtypeOption,
    HtmlOption,
    JsonOption,
    ModelOption,
    RowOption,
    SchemesOption,
    listed,
    row,
)
from qdash.cli.display import display
from qdash.cli.history import remember
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.evaluation import evaluation_blocks
from qdash.cli.shown.progress import evaluation_bar
from qdash.errors import QdashError
from qdash.records import Evaluation, EvaluationDone, EvaluationRequest, Rule
from qdash.report import evaluation_items_to_csv, evaluation_to_csv, evaluation_to_html, evaluation_to_json
from qdash.runs.evaluate import evaluate
from qdash.runs.plan import variants_of
from qdash.settings import settings
from qdash.tasks import TASKS, Item, Task, find_task, lambada_items, read_custom
from qdash.verdict.evaluations import evaluation_judges_nothing

_FILES = ("lambada", "own")


def evaluation(
    model: ModelOption,
    schemes: SchemesOption = "",
    rows: RowOption = None,
    task: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(TASKS)}; if left out, own with --file, else the task that suits the model.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of questions, the same for each kind; 0: all. If left out, the task's own.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Your own questions: CSV or JSON lines with prompt, answer and, if there are pictures, image; or a ZIP file that also "
            "holds the pictures. For lambada: JSON lines with text.",
        ),
    ] = None,
    rule: Annotated[Rule | None, typer.Option(help="What counts as a right answer to your own questions.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Maximum length of an answer in tokens; if left out, the task's own.")] = None,
    batch_size: Annotated[int, typer.Option(help="Questions answered at a time.")] = EvaluationRequest.model_fields["batch_size"].default,
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    json: JsonOption = None,
    csv: CsvOption = None,
    html: HtmlOption = None,
    items: Annotated[str | None, typer.Option(metavar="FILE", help="Write CSV of every question and answer here.")] = None,
) -> int:
    """Give every variant of a model the same task, and count the right answers.

    The baseline is chosen as in “run”. Ctrl-C stops it and keeps the answers so far. Exit status: 0 all done, 3 some variants did not run,
    4 all ran but none could be judged (for example because the original has no right answer, or the schemes quantized nothing), 2 bad
    input, 130 interrupted.
    """
    outputs = Outputs({"json": json, "csv": csv, "html": html, "items": items})
    outputs.check()
    chosen = find_task(task or _suited(model, file))
    variants = variants_of(model, listed(schemes) or (["original"] if rows else []), [row(text) for text in rows or ()])
    request = _request(
        variants=variants, task=chosen.key, limit=chosen.limit if limit is None else limit or None,
        source=Path(file).name if file else None, rule=rule, max_new_tokens=max_new_tokens,
        batch_size=batch_size, device=device, baseline_dtype=baseline_dtype,
    )  # fmt: skip
    questions = _questions(chosen, file)
    with stoppable() as stop:
        done = _evaluated(request, questions, stop)
        if not outputs.to_stdout:
            display().show(*evaluation_blocks(done))
        remember(done)
        writers = {"json": evaluation_to_json, "csv": evaluation_to_csv, "html": evaluation_to_html, "items": evaluation_items_to_csv}
        outputs.write(done, writers)
        if stop.is_set():
            return 130
    if any(result.status != "ok" for result in done.variants):
        return 3
    return 4 if evaluation_judges_nothing(done) else 0


def _suited(model: str, file: str | None) -> str:
    """The default task: the one the model was made for, else stories."""
    return "own" if file is not None else next((task.key for task in TASKS.values() if task.made_for == model), "cloze")


def _questions(task: Task, file: str | None) -> tuple[Item, ...] | None:
    """The questions of a file, or of the data set; None for a task that comes with its own."""
    if file is not None and task.key not in _FILES:
        raise QdashError(f"The task {task.key} has its own questions, so --file {file} cannot be used.", "Leave one of them out.")
    if task.key == "lambada":
        return lambada_items(Path(file) if file else None)
    if task.key == "own":
        if file is None:
            raise QdashError("--task own needs questions.", "Give a CSV or JSON-lines file, or a ZIP with one, with --file.")
        return read_custom(Path(file))
    return None


def _request(**values: Any) -> EvaluationRequest:
    try:
        return EvaluationRequest(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        option = "--" + str(fault["loc"][0]).replace("_", "-")
        message = f"{option} {fault['input']} cannot be used: {fault['msg'][0].lower()}{fault['msg'][1:]}."
        raise QdashError(message, "Leave it out for the task's own.") from None


def _evaluated(request: EvaluationRequest, questions: tuple[Item, ...] | None, stop: Event) -> Evaluation:
    """Run the evaluation with a progress bar."""
    with closing(execution.create(settings())) as executor, display().progress(evaluation_bar(request)) as moved:
        for event in evaluate(request, executor, stop, questions):
            moved(event)
            if isinstance(event, EvaluationDone):
                return event.evaluation
    raise AssertionError("an evaluation ends with EvaluationDone")
