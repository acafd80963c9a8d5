"""Files of one model against each other: what each takes, how far apart they are, which types one has where the other has others."""

from collections.abc import Iterator

from qdash.cli.display.blocks import Block, Paragraph, Table
from qdash.cli.shown.weights import histogram_lines
from qdash.present.drift import DRIFT_HEADINGS, drift_lines
from qdash.present.formatting import mib, percent
from qdash.present.weight_error import decibels, decibels_of, left_out
from qdash.present.weight_files import changes_of_type, headline, not_compared, relative_error, stored_words
from qdash.records import LayerWeights, SchemeWeights, StoredModel, WeightReport

_TYPES_SHOWN = 4


def files_blocks(report: WeightReport, *, histograms: bool = False) -> Iterator[Block]:
    """What is said of all, what each file takes, the errors, and the types."""
    yield Paragraph("".join(words for words, _strong in headline(report)), "headline")
    known = [stored for stored in (report.stored, *(scheme.other for scheme in report.schemes)) if stored is not None]
    yield Table(("file", "weights", "bits per weight", "tensors", "file size", "types"), tuple(map(_file, known)), numbers_from=1)
    yield Table(_HEADINGS, tuple(map(_error, report.schemes)), numbers_from=1)
    for scheme in report.schemes:
        yield Table(
            (
                f"type in {report.stored.label if report.stored else report.model}",
                f"type in {scheme.label}",
                "layers",
                "the same",
                "weights",
            ),
            tuple((own, other, str(layers), str(same), f"{weights:,}") for own, other, layers, same, weights in changes_of_type(scheme)),
            numbers_from=2,
        )
        if scheme.nonfinite:
            yield Paragraph(f"{scheme.label}: {left_out(scheme.nonfinite)}.")
        if histograms:
            yield from map(Paragraph, histogram_lines(scheme))
    if left := not_compared(report):
        yield Paragraph(left)
    yield from _drifts(report)
    yield Paragraph(f"every weight of both, embeddings, norms and biases too · read in {report.seconds:.1f} s", "remark")


def _drifts(report: WeightReport) -> Iterator[Block]:
    """How closely the other models follow the first one along a text, where that was measured."""
    rows, said = drift_lines(report)
    if rows:
        yield Table(DRIFT_HEADINGS, tuple(rows), numbers_from=1)
    yield from map(Paragraph, said)


_HEADINGS = ("against it", "SQNR", "relative error", "max |error|", "cosine", "layers", "the same")


def file_layers_table(report: WeightReport) -> Table:
    """One line a layer and file, the farthest apart first."""
    lines = [(layer, scheme) for scheme in report.schemes for layer in scheme.layers]
    lines.sort(key=lambda line: decibels_of(line[0]))
    own = report.stored.label if report.stored else report.model
    rows = tuple(_layer(layer, scheme) for layer, scheme in lines)
    return Table(("layer", "file", f"in {own}", "in the file", "SQNR", "relative error", "weights"), rows, numbers_from=4)


def _file(stored: StoredModel) -> tuple[str, ...]:
    types = [f"{kind} {percent(count / stored.parameters)}" for kind, count in list(stored.types.items())[:_TYPES_SHOWN]]
    more = ["…"] if len(stored.types) > _TYPES_SHOWN else []
    sizes = (f"{stored.parameters:,}", f"{stored.bits_per_weight:.3f}", mib(stored.tensor_bytes), mib(stored.file_bytes))
    return (stored.label, *sizes, ", ".join([*types, *more]))


def _error(scheme: SchemeWeights) -> tuple[str, ...]:
    same = sum(layer.identical for layer in scheme.layers)
    figures = (decibels(scheme), percent(relative_error(scheme), 2), f"{scheme.max_abs_error:.3g}", f"{scheme.cosine:.6f}")
    return (scheme.label, *figures, str(len(scheme.layers)), str(same))


def _layer(layer: LayerWeights, scheme: SchemeWeights) -> tuple[str, ...]:
    error = "identical" if layer.identical else decibels(layer)
    types = (stored_words(layer.stored), stored_words(layer.other))
    return (layer.name, scheme.label, *types, error, percent(relative_error(layer), 2), f"{layer.parameters:,}")
