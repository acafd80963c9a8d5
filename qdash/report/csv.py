"""CSV for spreadsheets: one row a variant, or one a layer; the unit is in each column's name; conditions repeat in every row.

Answers are untrusted text. A spreadsheet runs a cell that begins with =, +, - or @ as a formula, so text cells that do get an
apostrophe in front (OWASP, "CSV injection"). Numbers are left alone. Whatever the language, a file for programs is in English.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qdash.present.coverage import covered_by_part
from qdash.present.language import SOURCE, in_language
from qdash.records import (
    Agreement,
    Comparison,
    EvaluatedVariant,
    Evaluation,
    Flips,
    ItemResult,
    Latency,
    LayerWeights,
    Record,
    Relative,
    SchemeWeights,
    StoredModel,
    Tail,
    Timing,
    VariantResult,
    WeightReport,
)
from qdash.verdict import judge
from qdash.verdict.evidence import pace_of

CsvValue = str | int | float | None
_ITEM_FIELDS = ("answer", "correct", "last_word", "margin_original", "margin")
_ERROR_COLUMNS = ("sqnr_db", "mse", "max_abs_error", "cosine", "clipped", "zeroed", "parameters", "nonfinite")


@in_language(SOURCE)
def to_csv(comparison: Comparison) -> str:
    """A comparison, one row a variant. Empty cells were not measured."""
    conditions = _conditions(comparison)
    return _csv([{**_variant(result), **_grade(result, comparison), **conditions} for result in comparison.variants])


@in_language(SOURCE)
def weights_to_csv(report: WeightReport) -> str:
    """A weight report: for each scheme one row over all its layers, `layer` empty, then one a layer.

    Where files are compared, columns of their own say how each stores a layer, and how far the models drift apart along a text.
    """
    return _csv([row for scheme in report.schemes for row in _weight_rows(scheme, report.stored)])


@in_language(SOURCE)
def evaluation_to_csv(evaluation: Evaluation) -> str:
    """An evaluation, one row a variant; the right answers to each kind of question have columns of their own."""
    conditions = _evaluation_conditions(evaluation)
    return _csv([{**_evaluated(result, evaluation), **conditions} for result in evaluation.variants])


@in_language(SOURCE)
def evaluation_items_to_csv(evaluation: Evaluation) -> str:
    """An evaluation, one row a question: what each variant answered, and whether that is right. Empty: not answered."""
    answers = [{item.index: item for item in result.items} for result in evaluation.variants]
    rows: list[dict[str, CsvValue]] = []
    for index, question in enumerate(evaluation.questions):
        row: dict[str, CsvValue] = {"question": index, **_flat(question, ("prompt", "answer", "group", "language"))}
        if question.alternatives:
            row["answer"] = json.dumps(question.answers, ensure_ascii=False)  # as a file of questions has them
        row["picture_sha256"] = question.picture.sha256 if question.picture else None
        for result, given in zip(evaluation.variants, answers, strict=True):
            item: ItemResult | None = given.get(index)
            row |= {f"{result.label}: {name}": value for name, value in _flat(item, _ITEM_FIELDS).items()}
        rows.append(row)
    return _csv(rows)


def _evaluated(result: EvaluatedVariant, evaluation: Evaluation) -> dict[str, CsvValue]:
    paired, groups = result.paired, dict.fromkeys(question.group for question in evaluation.questions if question.group)
    return {
        **_flat(result, ("scheme", "label", "kind", "bits", "status", "model")),
        **{f"accuracy_{name}": value for name, value in _flat(result.accuracy, _FIELDS["proportion"]).items()},
        "drop": result.drop,
        **{f"mcnemar_{name}": value for name, value in _flat(paired, ("only_original", "only_variant", "p_value")).items()},
        **{f"last_word_{name}": value for name, value in _flat(result.last_word, _FIELDS["proportion"]).items()},
        **_flat(result, ("total_s", "per_item_s", "speedup", "new_tokens", "load_s", "weights_bytes", "projected_bytes")),
        **_flat(result, ("peak_bytes", "dtype")),
        "notes": " ".join(result.notes) or None,
        **{f"accuracy_{group}": result.groups[group].value if group in result.groups else None for group in groups},
        **{f"error_{name}": value for name, value in _flat(result.error, ("kind", "message", "remedy")).items()},
    }


def _evaluation_conditions(evaluation: Evaluation) -> dict[str, CsvValue]:
    return {
        **_flat(evaluation.request, ("task", "limit", "source", "batch_size")),
        **_flat(evaluation, ("rule", "max_new_tokens")),
        "questions": len(evaluation.questions),
        "noise_floor": evaluation.noise_floor.relative if evaluation.noise_floor else None,
        **_flat(evaluation.host, ("device", "device_name", "threads", "platform")),
        "qdash_version": evaluation.qdash_version,
        "created_at": evaluation.created_at.isoformat(),
    }


def _variant(result: VariantResult) -> dict[str, CsvValue]:
    """The columns of one variant. `memory`, `relative` and `coverage` are flat already; each timing has three columns."""
    plain: dict[str, CsvValue] = {
        name: getattr(result, name)
        for name in ("scheme", "label", "kind", "bits", "status", "model", "answer", "new_tokens", "answer_complete", "correct", "dtype")
    }
    coverage = result.coverage
    return {
        **plain,
        **_latency(result.latency),
        **_flat(result.memory, _FIELDS["memory"]),
        **{f"relative_{name}": value for name, value in _flat(result.relative, _FIELDS["relative"]).items()},
        **_intervals(result.relative),
        **_agreement("agreement", result.agreement),
        **_agreement("agreement_text", result.agreement_text),
        "agreement_problem": result.agreement_problem,
        "scores_finite": result.scores_finite,
        "notes": " ".join(result.notes) or None,
        "quantized_layers": coverage.quantized if coverage else None,
        "total_layers": coverage.total if coverage else None,
        "skipped_layers": len(coverage.skipped) if coverage else None,
        "quantized_parameters": coverage.quantized_parameters if coverage else None,
        "total_parameters": coverage.parameters if coverage else None,
        "kv_cache_bits": coverage.cache.bits if coverage and coverage.cache else None,
        "quantized_by_part": covered_by_part(coverage) if coverage else None,
        **{f"error_{name}": value for name, value in _flat(result.error, ("kind", "message", "remedy")).items()},
    }


def _intervals(relative: Relative | None) -> dict[str, CsvValue]:
    """The paired ratios of the three times with their intervals."""
    return {
        f"ratio_{part}_{name}": value
        for part in ("total", "ttft", "tpot")
        for name, value in _flat(getattr(relative, part) if relative else None, ("value", "low", "high")).items()
    }


def _agreement(prefix: str, agreement: Agreement | None) -> dict[str, CsvValue]:
    flips, tail = (agreement.flips, agreement.tail) if agreement else (None, None)
    figures = {
        **_flat(agreement, _FIELDS["agreement"]),
        **{f"flips_{name}": value for name, value in _flat(flips, tuple(Flips.model_fields)).items()},
        **_flat(tail, tuple(Tail.model_fields)),
    }
    return {f"{prefix}_{name}": value for name, value in figures.items()}


def _grade(result: VariantResult, comparison: Comparison) -> dict[str, CsvValue]:
    """The verdict's word, why there is none, and what may be said of the speed; empty for the baseline, and for what did not run."""
    other = result is not comparison.variants[0]
    judgement = judge(result, comparison.variants[0], comparison) if other else None
    return {
        "grade": judgement.grade.value if judgement else None,
        "not_judged_because": (judgement.why_not or None) if judgement else None,
        "speed": (pace_of(result, comparison).words_or_why or None) if other else None,
    }


def _latency(latency: Latency | None) -> dict[str, CsvValue]:
    cells: dict[str, CsvValue] = {"load_s": latency.load_s if latency else None}
    for name in _FIELDS["latency"]:
        timing: Timing | None = getattr(latency, name) if latency else None
        cells |= {f"{name}_{part}": getattr(timing, part) if timing else None for part in ("median", "p10", "p90")}
    return cells


_FIELDS = {
    "latency": ("preprocess_s", "ttft_s", "tpot_s", "total_s", "tokens_per_s"),
    "memory": (
        "weights_bytes", "load_peak_bytes", "peak_bytes", "saved_bytes", "estimated_bytes", "projected_bytes", "reserved_bytes",
        "process_bytes",
    ),
    "relative": ("latency", "memory", "tokens_per_s"),
    "proportion": ("value", "low", "high", "successes", "total"),
    "agreement": ("kl_mean_nats", "kl_se", "top1", "ppl_original", "ppl", "first_divergence", "tokens"),
}  # fmt: skip


def _flat(record: Record | None, names: Sequence[str]) -> dict[str, CsvValue]:
    return {name: getattr(record, name) if record else None for name in names}


def _conditions(comparison: Comparison) -> dict[str, CsvValue]:
    host, request = comparison.host, comparison.request
    return {
        "prompt": request.prompt,
        "picture_sha256": request.picture.sha256 if request.picture else None,
        **{name: getattr(request.measurement, name) for name in ("runs", "warmup", "max_new_tokens", "max_answer_tokens")},
        "reference_text": request.reference_text,
        "noise_floor": comparison.noise_floor.relative if comparison.noise_floor else None,
        **{f"rounds_{name}": value for name, value in _flat(comparison.rounds, ("taken", "repeated", "busy", "busy_before")).items()},
        "noise_floor_kl_nats": comparison.noise_floor.kl_nats if comparison.noise_floor else None,
        **{name: getattr(host, name) for name in ("device", "device_name", "threads", "platform")},
        "qdash_version": comparison.qdash_version,
        "created_at": comparison.created_at.isoformat(),
    }


def _weight_rows(scheme: SchemeWeights, own: StoredModel | None) -> Iterator[dict[str, CsvValue]]:
    head: dict[str, CsvValue] = {"scheme": scheme.scheme, "label": scheme.label, "kind": scheme.kind}
    everything: dict[str, CsvValue] = dict.fromkeys(("layer", "shape", "part", "block", "projection"))
    whole = {**_files(None, None, own.bits_per_weight, scheme.bits_per_weight), **_agreement("drift", scheme.drift)} if own else {}
    yield {**head, **everything, **_flat(scheme, _ERROR_COLUMNS), "bits_per_weight": scheme.bits_per_weight, "worst_row": None, **whole}
    for layer in scheme.layers:
        place: dict[str, CsvValue] = {"layer": layer.name, "shape": _shape(layer), **_flat(layer, ("part", "block", "projection"))}
        types = {**_layer_files(layer), **_agreement("drift", None)} if own else {}
        yield {**head, **place, **_flat(layer, _ERROR_COLUMNS), "bits_per_weight": None, "worst_row": layer.worst_row, **types}


def _layer_files(layer: LayerWeights) -> dict[str, CsvValue]:
    stored, other = layer.stored, layer.other
    return _files(stored and stored.type, other and other.type, stored and stored.bits, other and other.bits)


def _files(stored_type: str | None, other_type: str | None, stored_bits: float | None, other_bits: float | None) -> dict[str, CsvValue]:
    return {"stored_type": stored_type, "stored_bits": stored_bits, "other_type": other_type, "other_bits": other_bits}


def _shape(layer: LayerWeights) -> str:
    return "x".join(map(str, layer.shape))


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """RFC 4180; every row has the same columns."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def _safe(value: CsvValue) -> CsvValue:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value
