"""`qdash sensitivity`: what quantizing each layer alone does to a model's answers."""

from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from qdash import execution
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, SchemesOption, listed
from qdash.cli.display import display
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.progress import steps_bar
from qdash.cli.shown.sensitivity import sensitivity_blocks
from qdash.errors import QdashError
from qdash.execution.forward import result_of
from qdash.inputs import check_prompt, read_picture, read_reference_text
from qdash.records import Measurement, SensitivityMethod, SensitivityReport, TaskItem
from qdash.report import sensitivity_to_json
from qdash.runs.drift import bundled_text
from qdash.runs.sensitivity import measure_sensitivity
from qdash.settings import settings
from qdash.tasks import CalibrationSet, Item, bundled_set, find_task, read_custom, stratified_sample
from qdash.tasks.calibration import BUNDLED, QUESTIONS

_TASKS = (*BUNDLED, "own", "answer", "text")
_TEXT_TOKENS = 256
_FROM_FILES = ("own", "text")


def sensitivity(
    model: ModelOption,
    schemes: SchemesOption,
    task: Annotated[
        str,
        typer.Option(
            help="Whose answers are followed: cloze or drawings, which come with qdash; own, your questions in --file; answer, one to "
            "--prompt; text, the paragraphs of --file, or of the text that comes with qdash."
        ),
    ],
    limit: Annotated[int, typer.Option(help="Number of questions, of which half are kept to prove a result on; 0: all.")] = QUESTIONS,
    file: Annotated[str | None, typer.Option(metavar="FILE", help="Questions as “qdash eval” takes them, or a text.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The question of --task answer.")] = None,
    image: Annotated[str | None, typer.Option(metavar="FILE", help="The picture that it is about.")] = None,
    method: Annotated[
        SensitivityMethod | None, typer.Option(help="If left out: measured where that takes about two minutes at most, else estimated.")
    ] = None,
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Quantize one layer at a time, and tell how far the model's answers move from the original's: KL divergence in nats.

    Large models are estimated, and some of their layers are measured to tell how good the estimate is. Ctrl-C stops it and keeps the layers
    so far. Exit status: 0 all done, 3 some layers have no figure, 2 bad input, 130 interrupted.
    """
    outputs = Outputs({"json": json})
    outputs.check()
    calibration = _calibration(task, file, prompt, image, limit or None)
    with stoppable() as stop:
        report = _measured(model, listed(schemes), calibration, device, baseline_dtype, method, stop)
        if not outputs.to_stdout:
            display().show(*sensitivity_blocks(report))
        outputs.write(report, {"json": sensitivity_to_json})
        if stop.is_set():
            return 130
    return 3 if any(layer.problem is not None for layer in report.layers) else 0


def _measured(
    model: str,
    schemes: list[str],
    calibration: CalibrationSet,
    device: str,
    baseline_dtype: DtypeOption,
    method: SensitivityMethod | None,
    stop: Event,
) -> SensitivityReport:
    with closing(execution.create(settings())) as executor, display().progress(steps_bar()) as moved:
        steps = measure_sensitivity(
            model, schemes, calibration, executor, stop, device=device, baseline_dtype=baseline_dtype, method=method
        )  # fmt: skip
        return result_of(steps, moved)


def _calibration(task: str, file: str | None, prompt: str | None, image: str | None, limit: int | None) -> CalibrationSet:
    """The questions, and how their answers are followed; raises QdashError."""
    if task not in _TASKS:
        raise QdashError(f"--task {task} has no answers to follow.", f"Choose one of {', '.join(_TASKS)}.")
    if file is not None and task not in _FROM_FILES:
        raise QdashError(f"--task {task} takes no file.", "Leave out --file, or choose own or text.")
    if (prompt is not None or image is not None) and task != "answer":
        raise QdashError(f"--task {task} has its own questions.", "Leave out --prompt and --image, or choose answer.")
    if task == "answer":
        return CalibrationSet(task, (_question(prompt, image),), plain=False, max_tokens=Measurement().max_answer_tokens)
    if task == "text":
        paragraphs = _paragraphs(bundled_text() if file is None else read_reference_text(Path(file)) or "")
        return CalibrationSet(task, stratified_sample(paragraphs, limit), plain=True, max_tokens=_TEXT_TOKENS)
    if task == "own":
        if file is None:
            raise QdashError("--task own needs questions.", "Give a CSV or JSON-lines file, or a ZIP with one, with --file.")
        return CalibrationSet.of(find_task(task), read_custom(Path(file)), limit)
    return bundled_set(task, limit)


def _question(prompt: str | None, image: str | None) -> Item:
    if prompt is None:
        raise QdashError("--task answer needs a question.", "Give one with --prompt, and its picture with --image.")
    picture, png = read_picture(Path(image)) if image is not None else (None, None)
    return Item(TaskItem(prompt=check_prompt(prompt), answer="", picture=picture), png)


def _paragraphs(text: str) -> tuple[Item, ...]:
    """Each paragraph of more than one word: its first word is read, and what follows scored."""
    found = []
    for paragraph in text.split("\n\n"):
        first, _, rest = paragraph.strip().partition(" ")
        if rest:
            found.append(Item(TaskItem(prompt=first, answer=""), target=f" {rest}"))
    if not found:
        raise QdashError("The text has one word only, so that there is nothing to follow.", "Give a longer one.")
    return tuple(found)
