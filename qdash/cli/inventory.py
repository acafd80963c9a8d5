"""`qdash schemes` and `qdash models`: the catalogue, as text, as JSON, and as the tables of the README."""

import json as json_
from typing import Annotated

import typer

from qdash.catalog.models import MODELS, Model
from qdash.catalog.schemes import SCHEMES, Scheme, unavailable
from qdash.cli.display import display
from qdash.cli.display.blocks import Table
from qdash.machine import this_machine

_Markdown = Annotated[bool, typer.Option("--markdown", help="Print the README's table.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def schemes(markdown: _Markdown = False, json: _Json = False) -> None:
    """List every scheme, and whether it runs on this machine."""
    if markdown:
        print(schemes_markdown())
    elif json:
        print(json_.dumps([_scheme_record(scheme) for scheme in SCHEMES.values()], indent=2, ensure_ascii=False))
    else:
        rows = tuple((scheme.key, scheme.label, bits_of(scheme), scheme.kind, availability(scheme)) for scheme in SCHEMES.values())
        display().show(Table(("key", "name", "bits", "kind", "here"), rows))


def models(markdown: _Markdown = False, json: _Json = False) -> None:
    """List the models that can be picked by name."""
    if markdown:
        print(models_markdown())
    elif json:
        print(json_.dumps([_model_record(model) for model in MODELS.values()], indent=2, ensure_ascii=False))
    else:
        rows = tuple((model.key, model.task, count_of(model), model.licence, model.about) for model in MODELS.values())
        display().show(Table(("key", "task", "parameters", "licence", "about"), rows))


def schemes_markdown() -> str:
    """The README's table of schemes: the catalogue alone, so that it is the same on every machine."""
    rows = [(f"`{scheme.key}`", scheme.label, bits_of(scheme), scheme.kind, scheme.about) for scheme in SCHEMES.values()]
    return _markdown(("key", "name", "weight/activation bits", "kind", "what it is"), rows)


def models_markdown() -> str:
    """The README's table of models."""
    rows = [(_linked(model), model.label, model.task, count_of(model), model.licence, model.about) for model in MODELS.values()]
    return _markdown(("key", "name", "task", "parameters", "licence", "about"), rows)


def bits_of(scheme: Scheme) -> str:
    """Weight and activation bits: “4/16”; “native” for the checkpoint's own."""
    return "native" if scheme.bits is None else f"{scheme.bits}/{scheme.activation_bits}"


def count_of(model: Model) -> str:
    """Parameters in millions."""
    return f"{model.parameters / 1e6:,.0f} M"


def availability(scheme: Scheme) -> str:
    """“yes”, or why not and what to do about it."""
    problem = unavailable(scheme, this_machine())
    return "yes" if problem is None else f"no: {problem}"


def _scheme_record(scheme: Scheme) -> dict[str, object]:
    problem = unavailable(scheme, this_machine())
    return {
        "scheme": scheme.key,
        "label": scheme.label,
        "kind": scheme.kind,
        "bits": scheme.bits,
        "activation_bits": scheme.activation_bits,
        "about": scheme.about,
        "available": problem is None,
        "reason": problem.message if problem else None,
        "remedy": problem.remedy if problem else None,
    }


def _model_record(model: Model) -> dict[str, object]:
    return {
        "model": model.key,
        "label": model.label,
        "task": model.task,
        "parameters": model.parameters,
        "kind": model.kind,
        "licence": model.licence,
        "about": model.about,
    }


def _linked(model: Model) -> str:
    return f"`{model.key}`" if model.kind != "hub" else f"[`{model.key}`](https://huggingface.co/{model.source})"


def _markdown(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = (headings, ("---",) * len(headings), *rows)
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
