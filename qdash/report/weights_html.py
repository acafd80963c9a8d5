"""A weight report as one HTML page, offline like a comparison's: what each scheme does, where it hurts, and every layer as a table."""

from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from qdash.catalog.schemes import known_scheme
from qdash.charts import error_histogram, sqnr_against_bits, weight_histogram
from qdash.charts.sqnr import DB_PER_BIT
from qdash.markup.colours import bits_class
from qdash.markup.layer_heatmap import extremes, heat_html, scale_html
from qdash.present.drift import DRIFT_HEADINGS, drift_lines
from qdash.present.formatting import mib, percent
from qdash.present.kinds import spoken_scheme_kind
from qdash.present.language import N_, _, decimal
from qdash.present.layer_names import spoken_name
from qdash.present.weight_error import decibels, decibels_of, left_out, unmeasured
from qdash.present.weight_files import coloured_words, headline, matrices, not_compared, relative_error, stored_words
from qdash.records import LayerWeights, SchemeWeights, StoredModel, WeightReport
from qdash.report.page import Chart, chart, page

SQNR_READING = N_(
    "Higher is closer to the original. Dashed line: {decibels} dB per bit, the best that any code can do for bell-shaped weights. Open, "
    "dashed dots are simulated."
)
WORST_LAYERS = 12
MOST_LAYERS = 2000


def weights_to_html(report: WeightReport) -> str:
    """The page. Its longest table ends after 2000 layers; the CSV has all."""
    whole = None if report.stored else chart(
        "sqnr", _("Error by bits"), _(SQNR_READING, decibels=decimal(DB_PER_BIT, 2)), sqnr_against_bits, report, model=report.model,
    )  # fmt: skip
    sections = [_section(scheme, at, report) for at, scheme in enumerate(report.schemes)]
    return page(
        "weights",
        report=report,
        model=report.model,
        created_at=report.created_at,
        headline=headline(report),
        files=report.stored is not None,
        unmeasured=not_compared(report) if report.stored else unmeasured(report),
        whole=whole,
        sections=sections,
        drift_headings=[_(heading) for heading in DRIFT_HEADINGS],
        drift=drift_lines(report),
        headings=[_(heading) for heading in (FILE_HEADINGS if report.stored else HEADINGS)],
        rows=_file_rows(report) if report.stored else [_row(scheme) for scheme in report.schemes],
        layer_headings=(_("Layer"), _("Shape"), *_type_headings(report), *(f"{scheme.label}, dB" for scheme in report.schemes)),
        layer_rows=_layer_rows(report),
        left_out=max(0, len(_layers(report)) - MOST_LAYERS),
        charts=[drawn for drawn in (whole, *(drawn for section in sections for drawn in section.charts)) if drawn],
        conditions=_conditions(report),
    )


@dataclass(frozen=True)
class Section:
    """A scheme as the template draws it; `worst` are (name, path, figures)."""

    result: SchemeWeights
    kind: str
    bits: str
    heat: Markup
    charts: tuple[Chart, ...]
    worst: tuple[tuple[str, str, tuple[str, ...]], ...]


HEADINGS = (
    N_("Scheme"), N_("Bits per weight"), N_("SQNR"), N_("MSE"), N_("Max error"), N_("Cosine"), N_("To zero"), N_("Cut off"), N_("Layers"),
)  # fmt: skip


def _section(scheme: SchemeWeights, at: int, report: WeightReport) -> Section:
    """Colours and axes are common to all schemes."""
    known = known_scheme(scheme.scheme)
    errors = partial(error_histogram, beside=report.schemes)
    drawn = (
        chart(
            f"weights-{at}",
            _("Weights"),
            coloured_words(scheme, report.stored) if report.stored else _("Grey: original. Colour: after {scheme}.", scheme=scheme.label),
            partial(weight_histogram, before=report.stored.label if report.stored else ""),
            scheme,
            scheme,
            model=report.model,
            of=(scheme.scheme, scheme.label),
        ),
        chart(
            f"errors-{at}",
            _("The error itself"),
            _("New weight minus old. The wider, the worse."),
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
        kind=spoken_scheme_kind(scheme.kind),
        bits=bits_class(known.bits if known else None),
        heat=heat_html(matrices(scheme), between=between, still=True) + scale_html(between),
        charts=tuple(figure for figure in drawn if figure),
        worst=tuple((spoken_name(layer), layer.name, (decibels(layer), f"{layer.max_abs_error:.3g}", _shape(layer))) for layer in worst),
    )


def _row(scheme: SchemeWeights) -> tuple[str, ...]:
    """One line of the table, under HEADINGS."""
    return (
        scheme.label,
        "–" if scheme.bits_per_weight is None else decimal(scheme.bits_per_weight, 2, grouped=False),
        decibels(scheme),
        f"{scheme.mse:.3g}",
        f"{scheme.max_abs_error:.3g}",
        f"{scheme.cosine:.6f}",
        percent(scheme.zeroed, 2),
        percent(scheme.clipped, 2),
        str(len(scheme.layers)),
    )


FILE_HEADINGS = (
    N_("File"), N_("Bits per weight"), N_("File size"), N_("SQNR"), N_("Relative error"), N_("Max error"), N_("Cosine"), N_("Layers"),
    N_("The same"),
)  # fmt: skip


def _file_rows(report: WeightReport) -> list[tuple[str, ...]]:
    """One line of the table, under FILE_HEADINGS: the model's own file first, which has no error."""
    own = [_sizes(report.stored) + ("–",) * 6] if report.stored else []
    return own + [(*_sizes(scheme.other), *_apart(scheme)) for scheme in report.schemes if scheme.other]


def _sizes(stored: StoredModel) -> tuple[str, str, str]:
    return stored.label, decimal(stored.bits_per_weight, 3, grouped=False), mib(stored.file_bytes)


def _apart(scheme: SchemeWeights) -> tuple[str, ...]:
    same = sum(layer.identical for layer in scheme.layers)
    figures = (decibels(scheme), percent(relative_error(scheme), 2), f"{scheme.max_abs_error:.3g}", f"{scheme.cosine:.6f}")
    return (*figures, str(len(scheme.layers)), str(same))


def _type_headings(report: WeightReport) -> tuple[str, ...]:
    """For the columns of types, where files are compared."""
    return (report.stored.label, *(scheme.label for scheme in report.schemes)) if report.stored else ()


def _types(report: WeightReport) -> list[dict[str, str]]:
    """For each of these columns: name of a layer → how it is stored."""
    if not report.stored:
        return []
    own = {layer.name: stored_words(layer.stored) for scheme in report.schemes for layer in scheme.layers}
    return [own, *({layer.name: stored_words(layer.other) for layer in scheme.layers} for scheme in report.schemes)]


def _layers(report: WeightReport) -> dict[str, LayerWeights]:
    """Every layer that some scheme quantized, in the checkpoint's order."""
    return {layer.name: layer for scheme in report.schemes for layer in scheme.layers}


def _layer_rows(report: WeightReport) -> list[tuple[str, ...]]:
    figures = [{layer.name: decibels(layer).removesuffix(" dB") for layer in scheme.layers} for scheme in report.schemes]
    columns = [*_types(report), *figures]
    layers = list(_layers(report).values())[:MOST_LAYERS]
    return [(spoken_name(layer), _shape(layer), *(column.get(layer.name, "–") for column in columns)) for layer in layers]


def _shape(layer: LayerWeights) -> str:
    return " × ".join(map(str, layer.shape))


def _conditions(report: WeightReport) -> tuple[str, ...]:
    broken = max((scheme.nonfinite for scheme in report.schemes), default=0)
    return (
        _("all {number} weights", number=decimal(max((scheme.parameters for scheme in report.schemes), default=0))),
        _("computed earlier")
        if report.cached
        else _("read in {seconds} s on {device}", seconds=decimal(report.seconds, 1, grouped=False), device=report.device.upper()),
        left_out(broken) if broken else "",
        _("embeddings, norms and biases too") if report.stored else _("embeddings, norms and head not quantized"),
        f"qdash {report.qdash_version}",
    )
