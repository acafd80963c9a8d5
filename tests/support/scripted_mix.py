"""Invented costs of the layers of a vision-language model, and a proof that makes the best mix look good."""

from collections.abc import Iterator, Sequence
from zlib import crc32

from qdash.catalog.schemes import find_scheme
from qdash.records import (
    KlDifference,
    LayerDamage,
    Mix,
    MixProof,
    MixReport,
    Order,
    Progression,
    ProgressiveReport,
    ProgressiveStep,
    Proportion,
    SensitivityReport,
)
from qdash.records.mix import ProofName
from qdash.runs.mix import choices_of
from qdash.runs.mix.budget import read_budget
from qdash.runs.mix.progressive import ORDERS, Planned, planned
from qdash.runs.mix.proof import rival
from tests.support.scripted_weights import places


def costs_of(model: str, schemes: Sequence[str], limit: int, blocks: int = 8) -> SensitivityReport:
    """Layers of 2²⁰ weights in float32; fewer bits cost more, and every layer its own."""
    layers = [
        LayerDamage(
            name=place.name, part=place.part, scheme=key, kl_mean_nats=(1 + crc32(place.name.encode()) % 97) * 0.01 * 4.0 ** -_bits(key),
            kl_se=None, bytes=_bits(key) * 2**17, original_bytes=2**22,
        )
        for place in places(blocks, blocks // 2)
        for key in schemes
    ]  # fmt: skip
    return SensitivityReport(
        model=model, revision="r", device="cpu", dtype="float32", method="measured", items=tuple(map(str, range(limit // 2))), tokens=99,
        spearman=None, checked=0, held_out=limit // 2, fixed_bytes=2**24, layers=tuple(layers),
    )  # fmt: skip


def proof_of(report: SensitivityReport, budget: str, task: str) -> MixReport:
    """Each variant diverges by what was predicted."""
    choices = choices_of(report)
    mix = choices.best(read_budget(budget))
    asked: list[tuple[ProofName, Mix]] = [
        ("original", choices.original), ("mix", mix), ("uniform", rival(choices, mix)), ("random", choices.drawn(mix.weights_bytes)),
    ]  # fmt: skip
    return MixReport(
        model=report.model, revision=report.revision, dtype="float32", task=task, recipe=mix.recipe, budget=budget,
        budget_bytes=mix.weights_bytes, predicted_kl_nats=mix.predicted_kl_nats, mix=mix, proof_items=report.items, proof_tokens=99,
        proof=tuple(_proof(name, one, mix) for name, one in asked), snippet="model = …\n", sensitivity=report,
    )  # fmt: skip


def progressive_of(report: SensitivityReport, scheme: str, task: str) -> list[ProgressiveReport]:
    """What is known after each step of each order: it diverges by what was predicted, and half of the answers are right."""
    choices, known = choices_of(report), find_scheme(scheme)
    orders: dict[Order, list[Planned]] = {order: planned(choices, scheme, order) for order in ORDERS}
    most = max(map(len, orders.values()))
    return [
        ProgressiveReport(
            model=report.model, revision=report.revision, scheme=known.key, label=known.label, kind=known.kind, bits=known.bits, task=task,
            items=report.items, tokens=99, complete=done == most,
            progressions=tuple(
                Progression(
                    order=order, steps=tuple(_steps(steps[:done])), halfway=2 if done == most else None,
                    versus=KlDifference(mean_nats=-2e-3, low_nats=-3e-3, high_nats=-1e-3) if done == most and order == "random" else None,
                )
                for order, steps in orders.items()
            ),
        )
        for done in range(1, most + 1)
    ]  # fmt: skip


def _steps(steps: Sequence[Planned]) -> Iterator[ProgressiveStep]:
    quantized = 0
    for step in steps:
        quantized += len(step.added)
        mix = step.mix
        yield ProgressiveStep(
            scheme=mix.recipe, label=mix.label, kind=mix.kind, weights_bytes=mix.weights_bytes, kl_mean_nats=mix.predicted_kl_nats,
            kl_low=0.9 * mix.predicted_kl_nats, kl_high=1.1 * mix.predicted_kl_nats, top1=0.97, added=step.added, quantized=quantized,
            accuracy=Proportion(value=0.5, low=0.28, high=0.72, successes=8, total=16),
        )  # fmt: skip


def _proof(name: ProofName, one: Mix, mix: Mix) -> MixProof:
    less = mix.predicted_kl_nats - one.predicted_kl_nats
    return MixProof(
        name=name, scheme=one.recipe, label=one.label, kind=one.kind, weights_bytes=one.weights_bytes, kl_mean_nats=one.predicted_kl_nats,
        kl_low=0.9 * one.predicted_kl_nats, kl_high=1.1 * one.predicted_kl_nats, top1=0.97,
        versus_mix=None if one is mix else KlDifference(mean_nats=less, low_nats=less - 1e-6, high_nats=less + 1e-6),
    )  # fmt: skip


def _bits(key: str) -> int:
    return find_scheme(key).bits or 16
