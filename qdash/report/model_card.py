"""The model card of a version that was saved: what it is, how to load it, how that was checked, what was measured and how it was made."""

from collections.abc import Iterator
from typing import Any

from huggingface_hub import ModelCardData
from markupsafe import Markup

from qdash.catalog.models import model_name
from qdash.catalog.schemes import find_scheme
from qdash.markup.markdown import code, markdown_template, plain
from qdash.present.conditions import device_words, timing_conditions, versions
from qdash.present.coverage import covered, left_alone
from qdash.present.formatting import mib, ms, nats, percent
from qdash.present.language import _, recorded
from qdash.present.saving import checked_words, form_words
from qdash.records import Comparison, Saved, VariantResult

_TASKS = {"AutoModelForImageTextToText": "image-text-to-text", "AutoModelForCausalLM": "text-generation"}
Row = tuple[str | Markup, ...]


def model_card(saved: Saved, comparison: Comparison | None = None) -> str:
    """README.md as Markdown with the metadata that the hub reads. `comparison`: one that has the version, for its measured figures."""
    results = _measured(saved, comparison)
    return markdown_template("report/model_card.md.jinja").render(
        saved=saved,
        metadata=Markup(_metadata(saved)),
        title=f"{model_name(saved.model)}, {saved.label}",
        about=_about(saved),
        checked=checked_words(saved.check),
        headings=("", *(recorded(result.label) for result in results)) if results else ("", recorded(saved.label)),
        rows=list(_rows(results) if results else ()) + list(_own_rows(saved, max(1, len(results)))),
        conditions=_conditions(saved, comparison if results else None),
        recipe=list(_recipe(saved)),
    )


def _metadata(saved: Saved) -> str:
    task = next((task for name, task in _TASKS.items() if name in saved.snippet), None)
    scheme = find_scheme(saved.scheme)
    tags = ["qdash", *([saved.scheme] if scheme.bits is not None else [])]
    relation: dict[str, Any] = {} if scheme.is_baseline or scheme.family.prunes else {"base_model_relation": "quantized"}
    base: dict[str, Any] = {"base_model": saved.base_model, **relation} if saved.base_model else {}
    data = ModelCardData(license=saved.licence, library_name="transformers", pipeline_tag=task, tags=tags, **base)
    return data.to_yaml()


def _about(saved: Saved) -> str:
    of = saved.base_model or model_name(saved.model)
    made = _("A version of {model}, made and saved by qdash {version}.", model=of, version=saved.qdash_version)
    return " ".join((made, recorded(find_scheme(saved.scheme).about), form_words(saved)))


def _measured(saved: Saved, comparison: Comparison | None) -> tuple[VariantResult, ...]:
    """The original's result and this version's, where the comparison has both."""
    if comparison is None:
        return ()
    own = next(
        (found for found in comparison.variants if (found.model, found.scheme, found.status) == (saved.model, saved.scheme, "ok")), None
    )
    first = comparison.variants[0]
    if own is None:
        return ()
    return (own,) if own is first or first.status != "ok" else (first, own)


def _rows(results: tuple[VariantResult, ...]) -> Iterator[Row]:
    timed = all(result.latency is not None for result in results)
    simulated = results[-1].kind == "simulated"
    memory = [mib(result.memory.weights_bytes) if result.memory else "–" for result in results]
    yield (_("Weights in memory"), *memory)
    if simulated and results[-1].memory is not None and results[-1].memory.projected_bytes is not None:
        coverage = results[-1].coverage
        stored = _("Weights as a sparse file") if coverage and coverage.pruned_alone else _("Weights if stored in this format")
        yield (stored, *[""] * (len(results) - 1), mib(results[-1].memory.projected_bytes))
    if timed and not simulated:
        yield (_("First token"), *(ms(result.latency.ttft_s.median) for result in results if result.latency))
        yield (_("Per further token"), *(ms(result.latency.tpot_s.median) for result in results if result.latency))
    if results[-1].agreement is not None and len(results) > 1:
        yield (_("KL divergence from the original, nats"), "–", nats(results[-1].agreement.kl_mean_nats))
        yield (_("Same likeliest word as the original"), "–", percent(results[-1].agreement.top1))


def _own_rows(saved: Saved, columns: int) -> Iterator[Row]:
    blank = [""] * (columns - 1)
    if columns == 1:
        yield (_("Weights in memory"), mib(saved.loaded.weights_bytes))
    yield (_("Weight files"), *blank, mib(saved.weights_bytes))
    coverage = saved.loaded.coverage
    yield (_("Pruned") if coverage.pruned_alone else _("Quantized"), *blank, covered(coverage))


def _conditions(saved: Saved, comparison: Comparison | None) -> str:
    timing = [condition.words for condition in timing_conditions(comparison, spread=False)] if comparison is not None else []
    host = comparison.host if comparison is not None else saved.host
    return " · ".join((device_words(host), *timing, versions(host), f"{saved.created_at:%Y-%m-%d}"))


def _recipe(saved: Saved) -> Iterator[Row]:
    yield (_("Scheme"), code(saved.scheme))
    yield (_("Model"), code(saved.base_model or model_name(saved.model)))
    yield (_("Everything else in"), code(saved.loaded.dtype))
    if saved.loaded.coverage.quantized:
        for left in left_alone(saved.loaded.coverage):
            yield (
                _("Left as they are") if saved.loaded.coverage.pruned_alone else _("Not quantized"),
                Markup("{}: {}").format(code(left.names), plain(recorded(left.reason))),
            )
