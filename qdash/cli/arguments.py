"""Options that commands share, and how they become records."""

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from qdash.errors import QdashError
from qdash.records import Measurement

ModelOption = Annotated[str, typer.Option("--model", help="A name from “models”, a folder, or a hub id.")]
SchemesOption = Annotated[str, typer.Option("--schemes", help="Schemes from “schemes”, separated by commas.")]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON here; - is standard output.")]
CsvOption = Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write CSV here; - is standard output.")]


def listed(text: str) -> list[str]:
    """The entries of a comma-separated list."""
    return [entry for part in text.split(",") if (entry := part.strip())]


def measurement(**values: Any) -> Measurement:
    """A `Measurement`; raises QdashError naming the option at fault and its bounds."""
    try:
        return Measurement(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        option = "--" + str(fault["loc"][0]).replace("_", "-")
        message = f"{option} {fault['input']} cannot be used: {fault['msg'][0].lower()}{fault['msg'][1:]}."
        raise QdashError(message, f"The default is {getattr(Measurement(), str(fault['loc'][0]))}.") from None
