"""One row of the list of schemes: its colour, name and bits, what it is, what tutorials call it, and the words that it is found by.

What it is opens below the row, so that it can be read without a pointer to rest on it. Searching is done in the browser
(qdash/ui/static/js/scheme_search.js).
"""

from markupsafe import Markup

from qdash.catalog.needs import Surroundings
from qdash.catalog.presets import PRESETS
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import unavailable
from qdash.markup import Macros
from qdash.present.language import N_, _, recorded
from qdash.records import Kind
from qdash.ui.components.markup import problem_words

_draw = Macros(__name__)

_KINDS: dict[Kind, str] = {"real": N_("real"), "simulated": N_("simulated")}


def row_html(scheme: Scheme, here: Surroundings) -> Markup:
    """The row of `scheme`; disabled, with the reason, where it cannot run `here`."""
    problem = unavailable(scheme, here)
    return _draw.row(scheme, found_by(scheme), _called(scheme), _bits(scheme), problem_words(problem) if problem else "")


def found_by(scheme: Scheme) -> str:
    """What a search may name: what it is called here and in tutorials, bits, family, and both bits as the field writes them, “W4A16”."""
    bits = "" if scheme.bits is None else f"{bits_words(scheme.bits)} W{scheme.bits}A{scheme.activation_bits}"
    family = f"{_(scheme.family.group)} {_(_KINDS[scheme.kind])}"
    return " ".join([recorded(scheme.label), scheme.key, bits, family, *(name for _preset, _label, name in _called(scheme))])


def bits_words(bits: int) -> str:
    """“4 bits”."""
    return _("{number} bits", number=bits)


def _called(scheme: Scheme) -> list[tuple[str, str, str]]:
    """Preset, its label, and what its tutorial calls `scheme`."""
    return [(preset.key, _(preset.label), preset.names[scheme.key]) for preset in PRESETS if scheme.key in preset.names]


def _bits(scheme: Scheme) -> str:
    if scheme.is_baseline and scheme.bits is None:
        return "${original}"  # filled in by gr.HTML from the property of that name
    bits = _(scheme.family.without_bits) if scheme.bits is None else bits_words(scheme.bits)
    return " · ".join([bits, *([_(_KINDS["simulated"])] if scheme.kind == "simulated" else [])])
