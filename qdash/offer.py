"""What a public server offers: models of the catalogue that fit this machine, and jobs within the operator's limits.

The rest stays in the page's lists, with the reason. `checkpoints.locate`, through which every job finds its model, refuses it as well, so
that nothing a browser sends, and no run that is imported, gets around it.
"""

from collections.abc import Sequence

from qdash.catalog.models import MODELS
from qdash.errors import QdashError
from qdash.machine import this_machine
from qdash.records import Measurement, Variant
from qdash.settings import settings

_ELSEWHERE = "Choose a smaller one; or run qdash on your own machine for any other."
PUBLIC_CONTEXT = 2048
"""The most tokens of a context that a public server measures."""
PUBLIC_QUESTIONS = 64
"""The most questions that a mix is found and proved on in public mode."""
_STORED_BYTES = 2
"""Of a weight as published, and as random ones are made."""


def not_offered(model: str) -> QdashError | None:
    """Why `model` cannot be had here; None if it can, and for everything outside public mode."""
    limits = settings()
    if not limits.public:
        return None
    entry = MODELS.get(model)
    if entry is None:
        remedy = f"Choose from: {', '.join(MODELS)}; or run qdash on your own machine for any other."
        return QdashError(f"“{model}” is not one of the models offered here.", remedy)
    stored = entry.parameters * _STORED_BYTES
    if stored > limits.public_model_bytes:
        most = f"this server takes models of at most {_gigabytes(limits.public_model_bytes)}"
        return QdashError(f"{entry.label} has {_gigabytes(stored)} of weights; {most}.", _ELSEWHERE, "unavailable")
    machine = this_machine()
    loaded = entry.parameters * (4 if machine.accelerator is None else 2)
    share = limits.memory_fraction if machine.accelerator is None else limits.gpu_memory_fraction
    room = int(machine.device_memory_bytes * share)
    if loaded > room:
        said = f"{entry.label} takes {_gigabytes(loaded)} of memory; this server has {_gigabytes(room)} for models."
        return QdashError(said, _ELSEWHERE, "unavailable")
    return None


def check_measurement(measurement: Measurement) -> None:
    """Raise QdashError for more timed runs or tokens than a public server allows."""
    limits = settings()
    asked = {
        "Timed runs": (measurement.runs, limits.public_runs),
        "Warm-up runs": (measurement.warmup, limits.public_runs),
        "Tokens": (measurement.max_new_tokens, limits.public_tokens),
    }
    for name, (value, most) in asked.items():
        if limits.public and value > most:
            raise QdashError(f"{name}: {value:,} are too many; this server allows {most:,}.", "Open Measurement and correct it.")


def check_context(tokens: int, conversations: int) -> None:
    """Raise QdashError for a context that is longer than a public server measures: reading it takes time and memory."""
    if settings().public and tokens * conversations > PUBLIC_CONTEXT:
        message = (
            f"{tokens * conversations:,} tokens are too many to measure; this server allows {PUBLIC_CONTEXT:,}, all conversations together."
        )
        raise QdashError(message, "Choose a shorter context; it can be estimated at any length.")


def check_questions(number: int) -> None:
    """Raise QdashError for more questions than a public server follows the answers of, layer by layer."""
    if settings().public and number > PUBLIC_QUESTIONS:
        raise QdashError(f"{number:,} questions are too many; this server allows {PUBLIC_QUESTIONS:,}.", "Ask fewer.")


def no_training() -> QdashError:
    """That a public server trains nothing: it takes minutes, in which nobody else would be served."""
    return QdashError("This server does not train models.", "Heal one with a qdash of your own.", "unavailable")


def check_training() -> None:
    """Raise QdashError on a public server."""
    if settings().public:
        raise no_training()


def check_count(variants: Sequence[Variant]) -> None:
    """Raise QdashError for more variants than a public server compares."""
    limits = settings()
    if limits.public and len(variants) > limits.public_variants:
        message = f"{len(variants)} versions are too many; this server compares {limits.public_variants} at a time."
        raise QdashError(message, f"Choose {limits.public_variants} at most, the original among them.")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
