"""Options that commands share, and how they become records."""

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from qdash.catalog.recipes import is_recipe
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import DeviceChoice, Dtype, Measurement, Request, Variant
from qdash.runs.plan import variants_of

ModelOption = Annotated[
    str, typer.Option("--model", help="A name from “qdash models”, a folder, a GGUF file, or a hub id: owner/name or owner/name:file.gguf.")
]
SchemesOption = Annotated[
    str,
    typer.Option(
        "--schemes",
        help="Schemes from “qdash schemes”, separated by commas. Consecutive rules part=scheme form one recipe: "
        "vision=bnb-int8,language=bnb-nf4; a semicolon ends a recipe. The rule kv=int8 or kv=int4 keeps the KV cache in few bits.",
    ),
]
RowOption = Annotated[
    list[str] | None,
    typer.Option("--row", metavar="MODEL@SCHEME", help="One more variant, of any model: another checkpoint to compare with. Repeatable."),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device", callback=lambda choice: checked_device(choice), help="auto, cpu, cuda, cuda:1 …, mps, xpu; see “qdash doctor”."
    ),
]
DtypeOption = Annotated[
    Dtype | None,
    typer.Option(
        "--baseline-dtype",
        help="Data type of the original, and of everything that is not quantized. If left out: float32 on a CPU; on a GPU bfloat16 "
        "for a model stored in it, float16 for others.",
    ),
]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON here; - is standard output.")]
CsvOption = Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write CSV here; - is standard output.")]
HtmlOption = Annotated[str | None, typer.Option("--html", metavar="FILE", help="Write a self-contained HTML report here.")]


def checked_device(choice: str) -> str:
    """`choice` if it is a valid name of a device; raises QdashError. It may still be missing on this machine."""
    try:
        return TypeAdapter(DeviceChoice).validate_python(choice.strip().lower())
    except ValidationError:
        remedy = f"Choose one of: {', '.join((*this_machine().choices, 'cuda'))}."
        raise QdashError(f"--device {choice} is not a device.", remedy) from None


def listed(text: str) -> list[str]:
    """The schemes of a list: `original,vision=bnb-int8,language=bnb-nf4;mlp=bnb-nf4` has three, the last two recipes."""
    return [scheme for run in text.split(";") for scheme in _schemes(run)]


def _schemes(run: str) -> Iterator[str]:
    entries = [entry for part in run.split(",") if (entry := part.strip())]
    for rules, group in groupby(entries, is_recipe):
        members = list(group)
        yield from [",".join(members)] if rules else members


def row(text: str) -> Variant:
    """The variant that `MODEL@SCHEME` names; raises QdashError."""
    model, at, scheme = (piece.strip() for piece in text.rpartition("@"))
    if not (model and at and scheme):
        raise QdashError(f"--row {text} is not MODEL@SCHEME.", "Write a model and a scheme, such as tiny-vlm@bnb-nf4.")
    return Variant(model=model, scheme=scheme)


def request_for_one(model: str, scheme: str, device: str, baseline_dtype: Dtype | None) -> Request:
    """A request whose last variant is the one scheme that `scheme` names, after its baseline; raises QdashError."""
    schemes = listed(scheme)
    if len(schemes) != 1:
        raise QdashError(f"--scheme {scheme} names {len(schemes)} schemes.", "Give one.")
    return Request(variants=variants_of(model, schemes), prompt="", device=device, baseline_dtype=baseline_dtype)


def measurement(**values: Any) -> Measurement:
    """A `Measurement`; raises QdashError naming the option at fault and its bounds."""
    try:
        return Measurement(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        option = "--" + str(fault["loc"][0]).replace("_", "-")
        message = f"{option} {fault['input']} cannot be used: {fault['msg'][0].lower()}{fault['msg'][1:]}."
        raise QdashError(message, f"The default is {getattr(Measurement(), str(fault['loc'][0]))}.") from None
