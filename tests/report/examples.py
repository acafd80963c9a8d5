"""Finished records to write out, made by hand: every status, a simulated variant, hostile text."""

from datetime import UTC, datetime

from qdash.catalog.schemes import SCHEMES
from qdash.records import (
    Agreement,
    Comparison,
    Coverage,
    ErrorRecord,
    Flips,
    Histogram,
    Host,
    Latency,
    LayerHistograms,
    LayerWeights,
    Memory,
    NoiseFloor,
    Picture,
    Relative,
    Request,
    SchemeWeights,
    Skip,
    Tail,
    Timing,
    TokenAgreement,
    Variant,
    VariantResult,
    WeightReport,
)

HOSTILE = '<script>alert("x")</script></script><img src=x onerror=alert(1)>'
SNIPPET = 'model = AutoModelForImageTextToText.from_pretrained("folder", dtype="float32")\n'


def latency(scale: float) -> Latency:
    """Five runs around a total of 0.173 s times `scale`."""
    spread = (0.98, 0.99, 1.0, 1.01, 1.05)

    def timing(middle: float) -> Timing:
        return Timing.of([middle * factor for factor in spread])

    ttft, tpot = 0.018 * scale, 0.00316 * scale
    return Latency(
        load_s=0.4,
        preprocess_s=timing(0.002),
        ttft_s=timing(ttft),
        tpot_s=timing(tpot),
        total_s=timing(ttft + 49 * tpot),
        tokens_per_s=timing(1 / tpot),
    )


def memory(weights_bytes: int, projected_bytes: int | None = None) -> Memory:
    return Memory(
        weights_bytes=weights_bytes, load_peak_bytes=weights_bytes * 2, peak_bytes=weights_bytes * 3 // 2, saved_bytes=weights_bytes,
        estimated_bytes=weights_bytes + 1000, projected_bytes=projected_bytes,
    )  # fmt: skip


def variant(scheme: str, label: str, answer: str, weights_bytes: int, ratio: float, **rest: object) -> VariantResult:
    known = {"kind": "real", "status": "ok", "model": "tiny-vlm", "dtype": "float32", "answer_complete": True, "snippet": SNIPPET}
    return VariantResult(
        scheme=scheme, label=label, answer=answer, new_tokens=9, latency=latency(ratio), bits=SCHEMES[scheme].bits,
        coverage=Coverage(quantized=40, total=42, skipped=(Skip(name="lm_head", reason="output head"),)),
        **{
            "memory": memory(weights_bytes),
            "relative": Relative(latency=ratio, memory=weights_bytes / 19_600_000, tokens_per_s=1 / ratio),
            **known, **rest,
        },
    )  # fmt: skip


AGREEMENT = Agreement(
    kl_mean_nats=0.21, kl_se=0.05, top1=0.5, ppl_original=1.1, ppl=1.4, first_divergence=1, tokens=2, exact=False,
    per_token=(
        TokenAgreement(piece="白色", kl_nats=0.01),
        TokenAgreement(piece=HOSTILE, kl_nats=None, instead=HOSTILE, margin_original=0.03, margin=0.2),
    ),
    flips=Flips(close=1, flipped=1, flipped_close=1, lost=1, gained=0),
    tail=Tail(
        kl_95_nats=None, kl_99_nats=None, kl_999_nats=None, kl_max_nats=0.41, delta_p_mean=-0.05, delta_p_mean_se=0.02,
        delta_p_rms=0.07, delta_p_rms_se=0.02,
    ),
)  # fmt: skip

COMPARISON = Comparison(
    created_at=datetime(2025, 11, 3, 12, 30, tzinfo=UTC),
    host=Host(
        device="cpu", device_name="A <CPU> & more", threads=2, memory_bytes=24 * 2**30, platform="Linux",
        versions={"torch": "2.11.0", "transformers": "5.23.0"},
    ),
    request=Request(
        variants=tuple(Variant(model="tiny-vlm", scheme=key) for key in ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3", "bnb-fp4")),
        prompt="这张图片中有什么？\nשלום <b>",
        picture=Picture(width=224, height=224, sha256="ab" * 32),
        reference_text="+ a longer text",
    ),
    noise_floor=NoiseFloor(relative=0.04, first_median_s=0.173, again_median_s=0.176, ttft=0.05, tpot=0.03, kl_nats=0.0),
    variants=(
        variant("original", "Original", "白色背景上有一个黑色的正方形。", 19_600_000, 1.0),
        variant("bnb-int8", "INT8", "=HYPERLINK(\"http://x\")", 9_400_000, 1.57, agreement_problem="=It has other <words>."),
        variant("bnb-nf4", "NF4 4-bit", HOSTILE, 5_700_000, 0.5, agreement=AGREEMENT, agreement_text=AGREEMENT),
        variant(
            "fp6-e2m3", "FP6 E2M3", "白色背景上有一个黑色的星形。", 19_600_000, 1.0, kind="simulated",
            memory=memory(19_600_000, projected_bytes=7_400_000), relative=Relative(latency=None, memory=None, tokens_per_s=None),
        ),
        VariantResult(
            scheme="bnb-fp4", label="FP4 4-bit", kind="real", status="failed", model="tiny-vlm",
            error=ErrorRecord(kind="out_of_memory", message="Memory ran out <here>.", remedy="Choose fewer."),
        ),
    ),
)  # fmt: skip

_BINS = Histogram(low=-1, high=1, counts=(1, 4, 1))
_HISTOGRAMS = LayerHistograms(original=_BINS, dequantized=_BINS, error=_BINS)

_PLACE = {"part": "language", "block": 3, "projection": "q_proj", "shape": (64, 32), "parameters": 2048}

WEIGHTS = WeightReport(
    created_at=datetime(2025, 11, 3, tzinfo=UTC),
    model="tiny-vlm",
    schemes=(
        SchemeWeights(
            scheme="bnb-nf4", label="NF4 4-bit", kind="real", sqnr_db=20.5, mse=1e-5, max_abs_error=0.1, cosine=0.995,
            layers=(
                LayerWeights(**_PLACE, name="a.q_proj", sqnr_db=21, mse=1e-5, max_abs_error=0.1, cosine=0.9, histograms=_HISTOGRAMS),
                LayerWeights(**_PLACE, name="=a.k_proj", sqnr_db=None, mse=0, max_abs_error=0, cosine=1),
            ),
        ),
    ),
)  # fmt: skip
