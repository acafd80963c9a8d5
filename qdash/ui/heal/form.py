"""What a person asks for on the Heal tab, and its way to checked values. They arrive unchecked, so all are checked here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import SCHEMES
from qdash.errors import QdashError
from qdash.inputs import clean_text, text_of
from qdash.offer import check_training
from qdash.present.language import N_
from qdash.runs.heal import MOST_MINUTES
from qdash.runs.healing_passages import ANSWERS, OF_BUNDLED, Lessons, own_questions, suited, text_passages
from qdash.tasks import Bundle, read_custom
from qdash.ui.controls.form import FormValues, check_device, check_model
from qdash.ui.controls.uploaded_files import handed_in

FIRST_MINUTES = 5
HEALED: tuple[Scheme, ...] = tuple(scheme for scheme in SCHEMES.values() if scheme.family.needs_healing)
QUESTIONS, TEXT = "questions", "text"
SOURCES = {
    "stories": N_("Stories"), "drawings": N_("Drawings"), ANSWERS: N_("Its own answers"), QUESTIONS: N_("Own questions"),
    TEXT: N_("Own text"),
}  # fmt: skip
"""What can be learned from, the first two by bundled models."""


@dataclass(frozen=True)
class HealForm(FormValues):
    """The values, unchecked."""

    model: Any
    device: Any
    scheme: Any
    source: Any
    file: Any
    minutes: Any


@dataclass(frozen=True)
class Asked:
    """The same, checked; `lessons` makes what is trained on; None: the model does itself."""

    model: str
    device: str
    scheme: str
    source: str
    lessons: Callable[[], Lessons] | None
    minutes: float


def sources_for(model: Any) -> list[str]:
    """What a model can learn from: that which it learned from before it was bundled, or its own answers; and a person's files."""
    own = suited(model) if isinstance(model, str) else None
    return [own or ANSWERS, QUESTIONS, TEXT]


def requested(form: HealForm) -> Asked:
    """What to train. Raises QdashError."""
    check_training()
    model, device = check_model(form.model), check_device(form.device)
    scheme, minutes = check_scheme(form.scheme), check_minutes(form.minutes)
    return Asked(model, device, scheme, str(form.source), _lessons(model, form.source, form.file), minutes)


def check_scheme(value: Any) -> str:
    """The key of a scheme that is healed. Raises QdashError."""
    if not isinstance(value, str) or value not in [scheme.key for scheme in HEALED]:
        raise QdashError("No scheme to heal is chosen.", f"Choose {', '.join(scheme.label for scheme in HEALED)}.")
    return value


def check_minutes(value: Any) -> float:
    """Minutes of training. Raises QdashError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_MINUTES:
        message = f"{str(value)[:20]} minutes of training are not possible."
        raise QdashError(message, f"Choose more than 0 and at most {MOST_MINUTES:,.0f}.")
    return float(value)


def _lessons(model: str, source: Any, file: Any) -> Callable[[], Lessons] | None:
    """What makes the passages: files are read now, so that whatever is wrong with them is said before a wait."""
    if source not in sources_for(model):
        raise QdashError("What to learn from is not chosen.", "Choose what the model is to learn from.")
    if source == ANSWERS:
        return None
    if source in OF_BUNDLED:
        return OF_BUNDLED[source]
    name, content = handed_in(file)
    if name is None or content is None:
        raise QdashError("There is no file to learn from yet.", "Choose a file with questions and answers, or with a text.")
    made = own_questions(read_custom(content, name), name) if source == QUESTIONS else _of_text(content, name)
    return lambda: made


def _of_text(content: bytes | Bundle, name: str) -> Lessons:
    if isinstance(content, Bundle):
        raise QdashError("Several files were chosen, but the text must be in one.", "Choose only that file.")
    return text_passages(clean_text(text_of(content, f"“{name}”")), name)
