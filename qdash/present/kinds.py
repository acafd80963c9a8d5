"""What the keys that records have for a kind are called: kinds of schemes, and of the questions that come with qdash."""

from qdash.present.language import N_, _
from qdash.records import Kind

_SCHEMES: dict[Kind, str] = {"real": N_("real"), "simulated": N_("simulated")}
_QUESTIONS = (
    N_("background"), N_("colour"), N_("count all"), N_("count kind"), N_("counting"), N_("describe"), N_("exists"), N_("names"),
    N_("objects"), N_("opposites"), N_("outside"), N_("places"), N_("relation"), N_("where"), N_("which"),
)  # fmt: skip
"""Those of the tasks “cloze” and “drawings”, as they are spoken."""


def spoken_scheme_kind(kind: Kind) -> str:
    """“real” or “simulated”."""
    return _(_SCHEMES[kind])


def spoken_question_kind(kind: str) -> str:
    """“count all” for count_all; a kind of a person's own questions as it was written, with spaces."""
    spoken = kind.replace("_", " ")
    return _(spoken) if spoken in _QUESTIONS else spoken
