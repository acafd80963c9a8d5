"""A weight report as one HTML page, offline like a comparison's: what each scheme does, where it hurts, and every layer as a table."""

from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from qdash.catalog.schemes import known_scheme
from qdash.charts import error_histogram, sqnr_against_bits, weight_histogram
from qdash.markup.colours import bits_class
from qdash.markup.layer_heatmap import extremes, heat_html, scale_html
from qdash.present.formatting import percent
from qdash.present.layer_names import spoken_name
from qdash.present.weight_error import decibels, decibels_of, disturbed, left_out, unmeasured
from qdash.records import LayerWeights, SchemeWeights, WeightReport
from qdash.report.page import Chart, chart, page

WORST_LAYERS = 12
MOST_LAYERS = 2000


def weights_to_html(report: WeightReport) -> str:
    """The page. Its longest table ends after 2000 layers; the CSV has all."""
    whole = chart(
        "sqnr", "Error by bits", "Higher is closer to the original. Dashed line: 6.02 dB per bit, the best that any code can do for "
        "bell-shaped weights. Open, dashed dots are simulated.", sqnr_against_bits, report, model=report.model,
    )  # fmt: skip
    sections = [_section(scheme, at, report) for at, scheme in enumerate(report.schemes)]
    return page(
        "weights",
        report=report,
        model=report.model,
        created_at=report.created_at,
        headline=disturbed(report),
        unmeasured=unmeasured(report),
        whole=whole,
        sections=sections,
        headings=HEADINGS,
        rows=[_row(scheme) for scheme in report.schemes],
        layer_headings=("Layer", "Shape", *(f"{scheme.label}, dB" for scheme in report.schemes)),
        layer_rows=_layer_rows(report),
        left_out=max(0, len(_layers(report)) - MOST_LAYERS),
        charts=[drawn for drawn in (whole, *(drawn for section in sections for drawn in section.charts)) if drawn],
        conditions=_conditions(report),
    )


@dataclass(frozen=True)
class Section:
    """A scheme as the template draws it; `worst` are (name, path, figures)."""

    result: SchemeWeights
    bits: str
    heat: Markup
    charts: tuple[Chart, ...]
    worst: tuple[tuple[str, str, tuple[str, ...]], ...]


HEADINGS = ("Scheme", "Bits per weight", "SQNR", "MSE", "Max error", "Cosine", "To zero", "Cut off", "Layers")


def _section(scheme: SchemeWeights, at: int, report: WeightReport) -> Section:
    """Colours and axes are common to all schemes."""
    known = known_scheme(scheme.scheme)
    errors = partial(error_histogram, beside=report.schemes)
    drawn = (
        chart(
            f"weights-{at}",
            "Weights",
            f"Grey: original. Colour: after {scheme.label}.",
            weight_histogram,
            scheme,
            scheme,
            model=report.model,
            of=(scheme.scheme, scheme.label),
        ),
        chart(
            f"errors-{at}",
            "The error itself",
            "New weight minus old. The wider, the worse.",
            errors,
            scheme,
            scheme,
            model=report.model,
            of=(scheme.scheme, scheme.label),
        ),
    )
    between = extremes([layer for each in report.schemes for layer in each.layers])
    worst = sorted(scheme.layers, key=decibels_of)[:WORST_LAYERS]
    return Section(
        result=scheme,
        bits=bits_class(known.bits if known else None),
        heat=heat_html(scheme.layers, between=between, still=True) + scale_html(between),
        charts=tuple(figure for figure in drawn if figure),
        worst=tuple((spoken_name(layer), layer.name, (decibels(layer), f"{layer.max_abs_error:.3g}", _shape(layer))) for layer in worst),
    )


def _row(scheme: SchemeWeights) -> tuple[str, ...]:
    """One line of the table, under HEADINGS."""
    return (
        scheme.label,
        "–" if scheme.bits_per_weight is None else f"{scheme.bits_per_weight:.2f}",
        decibels(scheme),
        f"{scheme.mse:.3g}",
        f"{scheme.max_abs_error:.3g}",
        f"{scheme.cosine:.6f}",
        percent(scheme.zeroed, 2),
        percent(scheme.clipped, 2),
        str(len(scheme.layers)),
    )


def _layers(report: WeightReport) -> dict[str, LayerWeights]:
    """Every layer that some scheme quantized, in the checkpoint's order."""
    return {layer.name: layer for scheme in report.schemes for layer in scheme.layers}


def _layer_rows(report: WeightReport) -> list[tuple[str, ...]]:
    columns = [{layer.name: decibels(layer).removesuffix(" dB") for layer in scheme.layers} for scheme in report.schemes]
    layers = list(_layers(report).values())[:MOST_LAYERS]
    return [(spoken_name(layer), _shape(layer), *(column.get(layer.name, "–") for column in columns)) for layer in layers]


def _shape(layer: LayerWeights) -> str:
    return " × ".join(map(str, layer.shape))


def _conditions(report: WeightReport) -> tuple[str, ...]:
    broken = max((scheme.nonfinite for scheme in report.schemes), default=0)
    return (
        f"all {max((scheme.parameters for scheme in report.schemes), default=0):,} weights",
        f"read in {report.seconds:.1f} s on {report.device.upper()}" if not report.cached else "computed earlier",
        left_out(broken) if broken else "",
        "embeddings, norms and head not quantized",
        f"qdash {report.qdash_version}",
    )
