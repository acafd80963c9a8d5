"""`qdash run`: one comparison, from options to a table and files."""

import time
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from qdash import checkpoints, execution
from qdash.busyness import OthersLoad
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
    measurement,
    row,
)
from qdash.cli.display import display
from qdash.cli.history import remember
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.shown.comparison import busy_hint, comparison_blocks
from qdash.cli.shown.progress import comparison_bar
from qdash.errors import QdashError
from qdash.inputs import check_prompt, read_picture, read_reference_text
from qdash.records import Comparison, ComparisonDone, Measurement, Picture, Request
from qdash.report import to_csv, to_html, to_json
from qdash.runs.compare import compare
from qdash.runs.plan import device_of, variants_of
from qdash.settings import settings
from qdash.verdict import judges_nothing

_DEFAULT = Measurement()

LOOK_S = 0.3
"""How long other programs' use of this machine is watched."""


def run(
    model: ModelOption,
    prompt: Annotated[str, typer.Option(help="The question.")],
    schemes: SchemesOption = "",
    rows: RowOption = None,
    image: Annotated[str | None, typer.Option(metavar="FILE", help="The picture that the question is about.")] = None,
    runs: Annotated[int, typer.Option(help="Timed runs of each variant.")] = _DEFAULT.runs,
    warmup: Annotated[int, typer.Option(help="Warm-up runs, which do not count.")] = _DEFAULT.warmup,
    max_new_tokens: Annotated[int, typer.Option(help="Tokens per timed run.")] = _DEFAULT.max_new_tokens,
    max_answer_tokens: Annotated[int, typer.Option(help="Maximum length of an answer in tokens.")] = _DEFAULT.max_answer_tokens,
    device: DeviceOption = "auto",
    baseline_dtype: DtypeOption = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file with a longer text (UTF-8), on which each variant is compared with the original too."),
    ] = None,
    json: JsonOption = None,
    csv: CsvOption = None,
    html: HtmlOption = None,
) -> int:
    """Ask every variant of a model the same question, time it, measure its size, and compare it with the original token by token.

    The baseline is the first of original, fp32, fp16, bf16 in the list; if none is there, original is added in front. Exit status: 0 all
    done, 3 some variants did not run, 4 all ran but none could be judged (for example because the original's scores are NaN or infinite, or
    the schemes quantized nothing), 2 bad input, 130 interrupted.
    """
    outputs = Outputs({"json": json, "csv": csv, "html": html})
    outputs.check()
    timing = measurement(runs=runs, warmup=warmup, max_new_tokens=max_new_tokens, max_answer_tokens=max_answer_tokens)
    variants = variants_of(model, listed(schemes) or (["original"] if rows else []), [row(text) for text in rows or ()])
    picture, png = _picture(model, image)
    request = Request(
        variants=variants,
        prompt=check_prompt(prompt),
        picture=picture,
        measurement=timing,
        device=device,
        baseline_dtype=baseline_dtype,
        reference_text=None if reference is None else read_reference_text(Path(reference)),
    )
    with stoppable() as stop:
        comparison = _compared(request, png, stop)
        if not outputs.to_stdout:
            display().show(*comparison_blocks(comparison))
        remember(comparison, png)
        outputs.write(comparison, {"json": to_json, "csv": to_csv, "html": lambda done: to_html(done, png)})
        if stop.is_set():
            return 130
    if any(result.status != "ok" for result in comparison.variants):
        return 3
    return 4 if judges_nothing(comparison) else 0


def _picture(model: str, image: str | None) -> tuple[Picture | None, bytes | None]:
    if image is None:
        return None, None
    picture, png = read_picture(Path(image))
    if checkpoints.locate(model).task != "image-text-to-text":
        raise QdashError(f"{model} reads text only.", "Leave out --image, or choose a model that sees.")
    return picture, png


def _compared(request: Request, png: bytes | None, stop: Event) -> Comparison:
    """Tell if the machine is busy, then run the comparison with a progress bar."""
    load = OthersLoad(device_of(request))
    with closing(execution.create(settings())) as executor:
        # Meanwhile the process that workers are forked from imports its libraries, so no time is lost.
        time.sleep(LOOK_S)
        if hint := busy_hint(load.share()):
            display().hint(hint)
        return _shown(request, png, executor, stop)


def _shown(request: Request, png: bytes | None, executor: execution.Executor, stop: Event) -> Comparison:
    with display().progress(comparison_bar(request)) as moved:
        for event in compare(request, png, executor, stop):
            moved(event)
            if isinstance(event, ComparisonDone):
                return event.comparison
    raise AssertionError("a comparison ends with ComparisonDone")
