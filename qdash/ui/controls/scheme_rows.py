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

_draw = Macros(__name__)


def row_html(scheme: Scheme, here: Surroundings) -> Markup:
    """The row of `scheme`; disabled, with the reason, where it cannot run `here`."""
    problem = unavailable(scheme, here)
    return _draw.row(scheme, found_by(scheme), _called(scheme), _bits(scheme), str(problem) if problem else "")


def found_by(scheme: Scheme) -> str:
    """What a search may name: what it is called here and in tutorials, bits, family, and both bits as the field writes them, “W4A16”."""
    bits = "" if scheme.bits is None else f"{scheme.bits} bits W{scheme.bits}A{scheme.activation_bits}"
    family = f"{scheme.family.group} {scheme.kind}"
    return " ".join([scheme.label, scheme.key, bits, family, *(name for _, _, name in _called(scheme))])


def _called(scheme: Scheme) -> list[tuple[str, str, str]]:
    """Preset, its label, and what its tutorial calls `scheme`."""
    return [(preset.key, preset.label, preset.names[scheme.key]) for preset in PRESETS if scheme.key in preset.names]


def _bits(scheme: Scheme) -> str:
    if scheme.bits is None:
        return "${original}"  # filled in by gr.HTML from the property of that name
    return f"{scheme.bits} bits{' · simulated' if scheme.kind == 'simulated' else ''}"
