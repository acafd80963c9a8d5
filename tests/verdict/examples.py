"""Results to judge: measured variants as the page's script makes them, with an agreement."""

from typing import Any

from qdash.records import Agreement, NoiseFloor, TokenAgreement, VariantResult
from tests.support.scripted import variant_result

ANSWER = "A black square on a white background."
QUIET = NoiseFloor(relative=0.04, first_median_s=0.17, again_median_s=0.177, ttft=0.05, tpot=0.03, kl_nats=0.0)


def agreement(kl: float | None, se: float | None = 0.001, tokens: int = 12, top1: float = 1.0, **rest: object) -> Agreement:
    """An agreement of `tokens` tokens, all of them `kl` nats from the original's."""
    piece = TokenAgreement(piece="a", kl_nats=kl)
    known = {"ppl_original": 1.1, "ppl": 1.2, "first_divergence": None, "per_token": (piece,) * tokens}
    return Agreement.model_validate({"kl_mean_nats": kl, "kl_se": se, "top1": top1, "tokens": tokens, **known, **rest})


def scored(key: str, answer: str = ANSWER, kl: float | None = 0.002, se: float | None = 0.001, **rest: Any) -> VariantResult:
    """A measured variant that was scored, unless it is the original; `rest` goes to `variant_result`."""
    found = None if key == "original" else agreement(kl, se)
    return variant_result(key, answer, **rest).model_copy(update={"agreement": found})
