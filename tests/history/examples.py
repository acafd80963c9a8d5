"""Runs to keep, made by hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from qdash.history import History, Limits
from qdash.records import (
    Comparison,
    Coverage,
    EvaluatedVariant,
    Evaluation,
    EvaluationNoise,
    EvaluationRequest,
    ItemResult,
    NoiseFloor,
    TaskItem,
    Variant,
)
from qdash.stats.binomial import proportion
from tests.report.examples import COMPARISON

ROOMY = Limits(runs=10_000, own_bytes=2**30, total_bytes=2**30, all_may_go=False)
NOON = datetime(2025, 11, 3, 12, tzinfo=UTC)


def history_in(folder: Path, limits: Limits = ROOMY) -> History:
    """A history of its own."""
    return History(folder / "history.sqlite3", limits)


def comparison(number: int = 0, *, prompt: str = "What is this?", noise: float | None = 0.04, **changes: object) -> Comparison:
    """A comparison; no two numbers make the same."""
    floor = None if noise is None else NoiseFloor(relative=noise, first_median_s=0.173, again_median_s=0.176)
    request = COMPARISON.request.model_copy(update={"prompt": prompt})
    made = {"created_at": NOON + timedelta(minutes=number), "request": request, "noise_floor": floor}
    return COMPARISON.model_copy(update={**made, **changes})


def slowed(original: Comparison, factor: float) -> Comparison:
    """The same with every time `factor` times as long."""
    variants = []
    for result in original.variants:
        if result.latency is not None:
            latency = {
                name: getattr(result.latency, name).model_copy(update={"median": getattr(result.latency, name).median * factor})
                for name in ("preprocess_s", "ttft_s", "tpot_s", "total_s")
            }
            result = result.model_copy(update={"latency": result.latency.model_copy(update=latency)})
        variants.append(result)
    return original.model_copy(update={"variants": tuple(variants)})


def evaluation(right: int = 90, *, task: str = "cloze", per_item_s: float = 0.01) -> Evaluation:
    """100 questions, of which the 4-bit variant answers `right`."""
    variants = tuple(
        EvaluatedVariant(
            scheme=scheme, label=label, kind="real", status="ok", model="tiny-lm", bits=bits, accuracy=proportion(count, 100),
            per_item_s=per_item_s, total_s=100 * per_item_s,
            coverage=Coverage(quantized=0 if bits is None else 40, total=42), weights_bytes=10**6, dtype="float32",
            items=tuple(ItemResult(index=index, answer=f"answer {index}", correct=index < count) for index in range(100)),
        )
        for scheme, label, bits, count in (("original", "Original", None, 95), ("bnb-nf4", "NF4 4-bit", 4, right))
    )  # fmt: skip
    return Evaluation(
        created_at=NOON, host=COMPARISON.host, task_label="Cloze", rule="exact", max_new_tokens=8, variants=variants,
        request=EvaluationRequest(
            variants=tuple(Variant(model="tiny-lm", scheme=result.scheme) for result in variants), task=task,
            source="mine.csv" if task == "own" else None,
        ),
        noise_floor=EvaluationNoise(relative=0.05, first_s=1.0, again_s=1.05, items=50),
        questions=tuple(TaskItem(prompt=f"secret question {index}", answer=str(index)) for index in range(100)),
    )  # fmt: skip
