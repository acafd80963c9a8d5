"""One row of the list of schemes: its colour, name and bits, what it is, what tutorials call it, and the words that it is found by.

What it is opens below the row, so that it can be read without a pointer to rest on it. Searching is done in the browser
(qdash/ui/static/js/scheme_search.js).
"""

from html import escape

from qdash.catalog.needs import Surroundings
from qdash.catalog.presets import PRESETS
from qdash.catalog.scheme import Scheme
from qdash.catalog.schemes import unavailable
from qdash.ui.components.markup import colour_classes


def row_html(scheme: Scheme, here: Surroundings) -> str:
    """The row of `scheme`; disabled, with the reason, where it cannot run `here`."""
    key, about, label = escape(scheme.key), f"about-{escape(scheme.key)}", escape(scheme.label)
    problem = unavailable(scheme, here)
    reason = f'<span class="reason">{escape(str(problem))}</span>' if problem else ""
    return (
        f'<div class="choice" data-find="{escape(found_by(scheme))}">'
        f'<label class="opt {colour_classes(scheme)}" title="{escape(scheme.about)}">'
        f'<input type="checkbox" value="{key}" aria-describedby="{about}"{" disabled" if problem else ""}>'
        f'<span class="dot" aria-hidden="true"></span><span class="name">{label}{_names_elsewhere(scheme)}{reason}</span>'
        f"<small>{_bits(scheme)}</small></label>"
        f'<button type="button" class="info" aria-expanded="false" aria-controls="{about}" aria-label="About {label}">i</button>'
        f'<p class="hint about" id="{about}" hidden>{escape(scheme.about)}</p></div>'
    )


def found_by(scheme: Scheme) -> str:
    """What a search may name: what it is called here and in tutorials, bits, family, and both bits as the field writes them, “W4A16”."""
    bits = "" if scheme.bits is None else f"{scheme.bits} bits W{scheme.bits}A{scheme.activation_bits}"
    family = f"{scheme.family.group} {scheme.kind}"
    return " ".join([scheme.label, scheme.key, bits, family, *(name for _, _, name in _called(scheme))])


def _called(scheme: Scheme) -> list[tuple[str, str, str]]:
    """Preset, its label, and what its tutorial calls `scheme`."""
    return [(preset.key, preset.label, preset.names[scheme.key]) for preset in PRESETS if scheme.key in preset.names]


def _names_elsewhere(scheme: Scheme) -> str:
    """Seen with the preset of the tutorial, or when a search asks for the name."""
    return "".join(
        f'<span class="alias" data-preset="{preset}" data-name="{escape(name)}" hidden>'
        f"{escape(name)} in the {escape(label)} tutorial</span>"
        for preset, label, name in _called(scheme)
    )


def _bits(scheme: Scheme) -> str:
    if scheme.bits is None:
        return "${original}"  # filled in by gr.HTML from the property of that name
    return f"{scheme.bits} bits{' · simulated' if scheme.kind == 'simulated' else ''}"
