"""`qdash inspect`: what is inside a variant of a model, and what its numbers mean."""

import json as json_
from contextlib import closing
from textwrap import fill
from typing import Annotated

import typer

from qdash import execution
from qdash.cli.arguments import DeviceOption, DtypeOption, JsonOption, ModelOption, listed
from qdash.cli.interrupt import stoppable
from qdash.cli.outputs import Outputs
from qdash.cli.screen import print_table, working
from qdash.errors import QdashError
from qdash.present.coverage import Left, covered, left_alone
from qdash.present.formatting import mib
from qdash.present.sizes import sizes
from qdash.records import InspectorReport, PartInside, Request
from qdash.report import inspection_to_json
from qdash.runs.model_report import report_model
from qdash.runs.plan import variants_of
from qdash.settings import settings

_WIDTH = 120


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
    schemes = listed(scheme)
    if len(schemes) != 1:
        raise QdashError(f"--scheme {scheme} names {len(schemes)} schemes.", "Give one.")
    variants = variants_of(model, schemes)
    request = Request(variants=variants, prompt="", device=device, baseline_dtype=baseline_dtype)
    with stoppable() as stop, closing(execution.create(settings())) as executor, working() as show:
        report = show(report_model(request, len(variants) - 1, executor, stop))
    if not outputs.to_stdout:
        _print(report)
    outputs.write(report, {"json": inspection_to_json})
    return 0


def _print(report: InspectorReport) -> None:
    print(f"{report.model}, {report.label}{' (simulated)' if report.kind == 'simulated' else ''}\n")
    print_table(("part", "parameters", "torch counts", "memory", "computes in", "stored as"), [_part(part) for part in report.parts])
    counts = f"{report.parameters:,} parameters, of which torch counts {report.counted:,}; dtype says {report.dtype}"
    print(f"\n{counts}")
    if report.coverage is not None and report.coverage.skipped:
        print(f"quantized: {covered(report.coverage)}; not quantized:\n")
        print_table(("weights", "", "why"), [_left(left) for left in left_alone(report.coverage)])
    print()
    print_table(("size", "", ""), sizes(report))
    if report.saved is not None:
        print()
        print_table(("file written by save_pretrained", "bytes"), [(file.name, f"{file.size_bytes:,}") for file in report.saved])
    if report.quantization_config is not None:
        print(f"\nquantization_config {json_.dumps(report.quantization_config, ensure_ascii=False)}")
    for explanation in report.explanations:
        print(f"\n{explanation.question}\n{fill(explanation.answer, _WIDTH)}")


def _left(left: Left) -> tuple[str, ...]:
    return left.names, "" if left.parameters is None else f"{left.parameters:,}", left.reason


def _part(part: PartInside) -> tuple[str, ...]:
    stored = " · ".join(f"{dtype} {mib(size)}" for dtype, size in part.stored.items())
    return (part.part, f"{part.parameters:,}", f"{part.counted:,}", mib(part.size_bytes), "+".join(part.computes_in), stored)
