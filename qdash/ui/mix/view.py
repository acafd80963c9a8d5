"""What the Mix tab says and draws, from records alone. Pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from qdash.catalog.recipe_writing import ORIGINAL
from qdash.catalog.schemes import find_scheme
from qdash.markup import Macros
from qdash.markup.type_map import TypeOf, type_maps_html
from qdash.present.formatting import and_listed, mib, nats
from qdash.present.language import _, decimal, recorded
from qdash.present.mix import is_graded, mix_facts, mix_verdict, proof_cells
from qdash.present.sensitivity import conditions, place_of
from qdash.records import Mix, MixReport, SensitivityReport
from qdash.runs.mix import choices_of
from qdash.ui.components.verdict_header import sentence_html

_draw = Macros("qdash.ui.mix.page")


@dataclass(frozen=True)
class _Stored:
    type: str
    bits: float


def headline_html(report: SensitivityReport, mix: Mix, other: str) -> Markup:
    """What the mix takes, and what it should cost; where it has one scheme for all layers, that and a budget with an`other` mix."""
    said = _(
        "{size} instead of {original}, at a predicted KL divergence of {divergence} nats.",
        size=mib(mix.weights_bytes), original=mib(mix.original_bytes), divergence=nats(mix.predicted_kl_nats),
    )  # fmt: skip
    size = _(
        "{bits} bits per weight in the layers that are quantized, {times}× smaller.",
        bits=decimal(mix.bits, 2), times=decimal(mix.original_bytes / mix.weights_bytes, 2),
    )  # fmt: skip
    why = _("The prediction adds up what each layer costs alone. Prove it measures the mix on questions that it was not chosen by.")
    return sentence_html(said, " ".join([*_uniform(report, mix, other), size, why]))


def _uniform(report: SensitivityReport, mix: Mix, other: str) -> Iterator[str]:
    """What is said of a mix without a mixture."""
    keys = {layer.scheme for layer in mix.layers} - {ORIGINAL}
    if not keys:
        yield _("Every layer stays as it is: the budget has room for that.")
    if len(keys) == 1 and choices_of(report).uniform(*keys).layers == mix.layers:
        yield _(
            "This is one scheme for all layers, {scheme}: within this budget no mix is better.", scheme=recorded(find_scheme(*keys).label)
        )
    elif keys:
        return
    yield _("A budget such as {budget} gives layers different schemes.", budget=other)


def map_html(report: SensitivityReport, mix: Mix) -> Markup:
    """Each layer in the colour of its scheme's bits."""
    places = {layer.name: layer for layer in report.layers}
    width = 4 if report.dtype == "float32" else 2
    weights = {layer.name: places[layer.name].original_bytes // width for layer in mix.layers}
    stored = {}
    for key in dict.fromkeys(layer.scheme for layer in mix.layers):
        own = [layer for layer in mix.layers if layer.scheme == key]
        bits = 8 * sum(layer.bytes for layer in own) / max(1, sum(weights[layer.name] for layer in own))
        stored[key] = _Stored(_("original") if key == ORIGINAL else recorded(find_scheme(key).label), bits)
    layers = [TypeOf(place_of(places[layer.name]), layer.name, stored[layer.scheme], weights[layer.name]) for layer in mix.layers]
    return _draw.solved(type_maps_html([("", layers)]), mix.recipe, list(_conditions(report, mix)))


def proof_html(report: MixReport) -> Markup:
    """The verdict of the proof, its table, and the code that makes the mix."""
    graded = is_graded(report)
    headings = [_("Variant"), _("Scheme"), _("Weights"), _("KL (nats)"), _("95% confidence"), _("Same next token")]
    if graded:
        headings.append(_("Right answers"))
    rows = [proof_cells(proof, graded) for proof in report.proof]
    problems = [
        f"{recorded(proof.label)}: {recorded(proof.problem.message)} {recorded(proof.problem.remedy)}"
        for proof in report.proof
        if proof.problem is not None
    ]
    return _draw.proof(mix_verdict(report), headings, rows, [*problems, *mix_facts(report)], report.snippet)


def _conditions(report: SensitivityReport, mix: Mix) -> Iterator[str]:
    labels = dict.fromkeys(recorded(find_scheme(layer.scheme).label) for layer in report.layers)
    yield _("Measured on {model} with {schemes}.", model=report.model, schemes=and_listed(list(labels)))
    yield from conditions(report)
    if mix.kind == "simulated":
        yield _("Sizes of simulated schemes are those that their formats would take.")
