"""`qdash heal`: train the weights that a scheme rounds, so that the model says with few bits what it said before."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from qdash import checkpoints, execution
from qdash.cli.arguments import DeviceOption, JsonOption, ModelOption
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.healing import heal_blocks
from qdash.cli.shown.progress import evaluation_bar, steps_bar
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.inputs import clean_text, read_file, text_of
from qdash.present.healing import estimate_words
from qdash.records import HealEstimate, HealReport, Step
from qdash.records.evaluation import MAX_ITEMS
from qdash.report import heal_to_json
from qdash.runs.heal import heal as healed_steps
from qdash.runs.heal_check import check_healed, check_request, check_task
from qdash.runs.healing_passages import ANSWERS, OF_BUNDLED, Lessons, own_questions, suited, text_passages
from qdash.settings import settings
from qdash.tasks import read_custom

_OWN = (*OF_BUNDLED, ANSWERS, "own")


def heal(
    model: ModelOption,
    scheme: Annotated[str, typer.Option(help="qat-int4, qat-int3, qat-int2, or prune-iterative-80 with any percentage.")],
    minutes: Annotated[float, typer.Option(help="Minutes of training in all; a run that was stopped goes on up to these.")] = 5.0,
    task: Annotated[
        str | None,
        typer.Option(
            help="What to train on: stories (tiny-lm), drawings (tiny-vlm), answers (any model: what it answers itself to questions that "
            "come with qdash), or own with --file. If left out, what suits."
        ),
    ] = None,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Your own questions, as “eval” reads them; not those you measure with.")
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="FILE", help="Train on a text in place of questions.")] = None,
    check: Annotated[
        int,
        typer.Option(help="Afterwards count the right answers of original, unhealed and healed to this many questions not trained on."),
    ] = 0,
    device: DeviceOption = "auto",
    json: JsonOption = None,
) -> int:
    """Train a model so that with few bits it says what it said before: quantization-aware training, the original as its teacher.

    What comes of it is kept in the cache; from then on the scheme runs like any other. Ctrl-C stops it and keeps the best so far. Exit
    status: 0 done, 2 bad input, 130 interrupted.
    """
    outputs = Outputs({"json": json})
    outputs.check()
    if not 0 <= check <= MAX_ITEMS:
        raise QdashError(f"{check} questions cannot be asked.", f"Ask 1 to {MAX_ITEMS:,}, or leave --check out.")
    lessons = _lessons(model, task, file, text)
    with stoppable() as stop:
        report = _healed(model, scheme, lessons, minutes, stop, device, shows=not outputs.to_stdout)
        if check and not stop.is_set():
            report = _checked(report, check, Path(file) if file is not None else None, stop, device)
        if not outputs.to_stdout:
            display().show(*heal_blocks(report))
        outputs.write(report, {"json": heal_to_json})
        return 130 if stop.is_set() else 0


def _healed(
    model: str, scheme: str, lessons: Callable[[], Lessons] | None, minutes: float, stop: Event, device: str, *, shows: bool
) -> HealReport:
    with closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        steps = healed_steps(model, scheme, lessons, minutes, executor, stop, device=device)
        with closing(steps):
            while True:
                try:
                    event = next(steps)
                except StopIteration as end:
                    return end.value
                if isinstance(event, HealEstimate) and shows:
                    moved(Step(detail=estimate_words(event, minutes)))
                elif isinstance(event, Step):
                    moved(event)


def _checked(report: HealReport, limit: int, file: Path | None, stop: Event, device: str) -> HealReport:
    """The report with its check: on those questions of the file that were not trained on, or on the task of the model."""
    task = "own" if file is not None else check_task(report.model, checkpoints.locate(report.model, stop).task)
    request = check_request(report, task, limit, source=file.name if file is not None else None, device=device)
    with closing(execution.create(settings())) as executor, display().progress(evaluation_bar(request)) as moved:
        return result_of(check_healed(report, request, executor, stop, None if file is None else read_custom(file)), moved)


def _lessons(model: str, task: str | None, file: str | None, text: str | None) -> Callable[[], Lessons] | None:
    """What makes the passages to train on, None: the model itself; raises QdashError where that is not clear, or a file cannot be used."""
    if task is not None and task not in _OWN:
        raise QdashError(f"There is nothing called “{task}” to train on.", f"Choose from: {', '.join(_OWN)}; or give a text with --text.")
    if sum(choice is not None for choice in (task if file is None else None, file, text)) > 1 or (file and task not in (None, "own")):
        raise QdashError("There are several things to train on.", "Give one of --task, --file and --text.")
    own = _of_text(Path(text)) if text is not None else _of_questions(Path(file)) if file is not None else None
    if own is not None:
        return lambda: own
    chosen = task or suited(model) or ANSWERS
    if chosen == "own":
        raise QdashError("--task own needs questions.", "Give a CSV or JSON-lines file, or a ZIP with one, with --file.")
    return None if chosen == ANSWERS else OF_BUNDLED[chosen]


def _of_questions(path: Path) -> Lessons:
    return own_questions(read_custom(path), path.name)


def _of_text(path: Path) -> Lessons:
    return text_passages(clean_text(text_of(read_file(path, "text"), f"“{path.name}”")), path.name)
