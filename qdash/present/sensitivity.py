"""How it is said what quantizing single layers does to a model's answers, for the page and the terminal."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdash.present.language import _, decimal, ngettext
from qdash.present.layer_names import Placed, block_of, projection_of, spoken_name
from qdash.records import LayerDamage, SensitivityReport


@dataclass(frozen=True)
class _Place:
    part: str
    block: int | None
    projection: str


def place_of(layer: LayerDamage) -> Placed:
    """Where the layer is."""
    return _Place(layer.part, block_of(layer.name), projection_of(layer.name))


def layer_name(layer: LayerDamage) -> str:
    """“language · layer 3 · down projection”."""
    return spoken_name(place_of(layer))


def damage(layer: LayerDamage) -> str:
    """The divergence with its standard error, or why there is none."""
    if layer.kl_mean_nats is None:
        return layer.problem or ""
    return little(layer.kl_mean_nats) if layer.kl_se is None else f"{little(layer.kl_mean_nats)} ± {little(layer.kl_se)}"


def little(divergence: float) -> str:
    """A divergence of one layer, which may be tiny: “0.012”, “3.1e-07”."""
    return f"{divergence:.2g}"


def conditions(report: SensitivityReport) -> Iterator[str]:
    """The sentences that a number cannot be read without."""
    yield from method(report)
    if not report.held_out:
        yield _("There was one question only, so that nothing is held out to prove a result on.")
    else:
        yield ngettext(
            "{number} other question is held out to prove a result on.",
            "{number} other questions are held out to prove a result on.",
            report.held_out, number=decimal(report.held_out),
        )  # fmt: skip
    if not report.complete:
        yield incomplete()


def incomplete() -> str:
    """That layers are missing."""
    return _("It was stopped: layers are missing.")


def method(report: SensitivityReport) -> Iterator[str]:
    """Along which answers, in which type, and measured or estimated."""
    yield ngettext(
        "One layer quantized at a time, in {dtype}: KL divergence from the original along its own answer, {tokens} tokens.",
        "One layer quantized at a time, in {dtype}: KL divergence from the original along its own {number} answers, {tokens} tokens.",
        len(report.items),
        number=decimal(len(report.items)), tokens=decimal(report.tokens), dtype=report.dtype,
    )  # fmt: skip
    if report.method == "estimated":
        yield _estimated(report)


def _estimated(report: SensitivityReport) -> str:
    if report.spearman is None:
        return _("Estimated from backward passes; how good the estimate is was not measured.")
    return ngettext(
        "Estimated from backward passes. {number} layer was measured as well: rank correlation {rho}.",
        "Estimated from backward passes. {number} layers were measured as well: rank correlation {rho}.",
        report.checked, number=decimal(report.checked), rho=f"{report.spearman:.2f}",
    )  # fmt: skip
