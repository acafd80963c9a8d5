"""Reports of what layers cost, made by hand."""

from collections.abc import Mapping, Sequence

from qdash.records import LayerDamage, SensitivityReport

PROJECTIONS = ("self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")
BITS = {"bnb-int8": 8, "bnb-nf4": 4, "int3-g64": 3}


def layer_names(blocks: int) -> list[str]:
    return [f"model.layers.{block}.{name}" for block in range(blocks) for name in PROJECTIONS]


def damages(costs: Mapping[str, Mapping[str, float | None]], weights: Sequence[int] = (), *, fixed_bytes: int = 1000) -> SensitivityReport:
    """`costs`: layer → scheme → nats; `weights`: of each layer, else 64. Float32, so that a weight has 32 bits."""
    counts = dict(zip(costs, weights or [64] * len(costs), strict=True))
    layers = [
        LayerDamage(
            name=name, part="language", scheme=key, kl_mean_nats=nats, kl_se=None,
            bytes=counts[name] * BITS[key] // 8, original_bytes=counts[name] * 4, problem=None if nats is not None else "it fails",
        )
        for name, own in costs.items()
        for key, nats in own.items()
    ]  # fmt: skip
    return SensitivityReport(
        model="tiny-lm", revision="r", device="cpu", dtype="float32", method="measured", items=("1",), tokens=9, spearman=None, checked=0,
        fixed_bytes=fixed_bytes, layers=tuple(layers),
    )  # fmt: skip
