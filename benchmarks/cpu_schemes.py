"""How fast and how large every real scheme is on this CPU: a comparison as the page makes it, on a real-size text model.

    python -m benchmarks.cpu_schemes [--model smollm2-135m] [--runs 5] [--tokens 50] [--out FILE]
    python -m benchmarks.cpu_schemes --markdown FILE

By default the model is a random Qwen3 of 216 M parameters, in bfloat16 on disk. Every real scheme that runs here is
loaded and timed in a process of its own, one at a time; each ratio is to 32-bit floats in the same run. `--markdown` prints a result as the
README's table. The last line is one JSON document. Run it on a quiet machine.
"""

import argparse
import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer

from qdash import execution
from qdash.catalog.schemes import SCHEMES, libraries, unavailable
from qdash.checkpoints.random.vocabulary import tokenizer_json
from qdash.machine import this_machine
from qdash.present.formatting import mib
from qdash.records import Comparison, ComparisonDone, Latency, Measurement, Progress, Request, Variant, VariantResult
from qdash.runs.compare import compare
from qdash.settings import settings
from qdash.stats.paired import LEAST_PAIRS, median_with_interval

PROMPT = "Explain in one sentence what a rounding error is, and why many small ones may matter."
VOCABULARY = 32_000
EOS = "<|im_end|>"


def main() -> int:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", help="default: a random Qwen3 of 216 M parameters")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    if chosen.markdown:
        print(markdown(json.loads(chosen.markdown.read_text())))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model or str(random_qwen3(Path(folder) / "qwen3-216m"))
        comparison = compared(model, Measurement(runs=chosen.runs, max_new_tokens=chosen.tokens, max_answer_tokens=8))
    document = document_of(comparison, chosen.model or "random Qwen3, 216 M parameters")
    if chosen.out:
        chosen.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(document, ensure_ascii=False))
    return 0


def random_qwen3(folder: Path) -> Path:
    """Save a random Qwen3: 12 layers of 1024, a vocabulary of 32 000, 216 M parameters, as in `benchmarks/overhead.py`."""
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=1024, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=16,
        num_key_value_heads=8, head_dim=64, tie_word_embeddings=False, bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    transformers.Qwen3ForCausalLM(config).bfloat16().save_pretrained(folder)
    tokenizer = Tokenizer.from_str(tokenizer_json(VOCABULARY, {EOS: 0}))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, pad_token=EOS).save_pretrained(folder)
    return folder


def compared(model: str, measurement: Measurement) -> Comparison:
    """Every real scheme that runs on this CPU, 32-bit floats first."""
    here = this_machine().on("cpu")
    real = [scheme for scheme in SCHEMES.values() if scheme.kind == "real" and not unavailable(scheme, here)]
    keys = ["fp32", *(scheme.key for scheme in real if scheme.key not in ("fp32", "original"))]
    variants = tuple(Variant(model=model, scheme=key) for key in keys)
    request = Request(variants=variants, prompt=PROMPT, measurement=measurement, device="cpu")
    with closing(execution.create(settings())) as executor:
        for event in compare(request, None, executor):
            if isinstance(event, Progress) and event.stage == "loading" and event.fraction is None:
                print(f"{keys[event.index]} …", file=sys.stderr)
            if isinstance(event, ComparisonDone):
                return event.comparison
    raise AssertionError("a comparison ends with ComparisonDone")


def document_of(comparison: Comparison, model: str) -> dict[str, Any]:
    """What is kept of a comparison: medians in milliseconds, sizes in bytes, ratios to the first variant."""
    first = comparison.variants[0]
    host, noise = comparison.host, comparison.noise_floor
    conditions = {
        "model": model, "device": host.device_name, "threads": host.threads, "tokens": comparison.request.measurement.max_new_tokens,
        "runs": comparison.request.measurement.runs, "noise": noise.relative if noise else None,
        "versions": {name: host.versions[name] for name in libraries() if name in host.versions},
    }  # fmt: skip
    results = [_result(result, first) for result in comparison.variants]
    return {"benchmark": "cpu_schemes", "conditions": conditions, "results": results}


def _result(result: VariantResult, first: VariantResult) -> dict[str, Any]:
    known: dict[str, Any] = {"scheme": result.scheme, "label": result.label, "kind": result.kind}
    if result.latency is None or result.memory is None or first.latency is None or first.memory is None:
        return known | {"error": result.error.message if result.error else None}
    latency, memory = result.latency, result.memory
    ratio, low, high = _per_token_ratio(latency, first.latency)
    return known | {
        "load_s": latency.load_s, "first_token_ms": latency.ttft_s.median * 1e3, "per_token_ms": latency.tpot_s.median * 1e3,
        "per_token_ratio": ratio, "per_token_ratio_low": low, "per_token_ratio_high": high,
        "weights_bytes": memory.weights_bytes, "weights_ratio": memory.weights_bytes / first.memory.weights_bytes,
        "estimated_bytes": memory.estimated_bytes,
    }  # fmt: skip


def _per_token_ratio(latency: Latency, first: Latency) -> tuple[float, float, float]:
    """Median and 95% interval of the ratios round by round, since the runs of one round see the same machine."""
    found = median_with_interval([own / other for own, other in zip(latency.tpot_s.runs, first.tpot_s.runs, strict=False)])
    if found is None:
        raise SystemExit(f"an interval needs at least {LEAST_PAIRS} rounds; pass --runs {LEAST_PAIRS} or more")
    return found


def markdown(document: dict[str, Any]) -> str:
    """The schemes, quickest first, and the conditions."""
    ran = sorted((result for result in document["results"] if "load_s" in result), key=lambda result: result["per_token_ms"])
    conditions = document["conditions"]
    versions = ", ".join(f"{name} {version}" for name, version in conditions["versions"].items())
    said = (
        f"Model: {conditions['model']}; {conditions['device']}, {conditions['threads']} threads; "
        f"{conditions['tokens']} tokens × {conditions['runs']} runs, medians; noise ±{conditions['noise']:.0%}; {versions}."
    )
    rows = [
        f"| {result['label']} | `{result['scheme']}` | {result['per_token_ms']:.1f} ms | {_speed(result)} "
        f"| {result['first_token_ms']:.0f} ms | {mib(result['weights_bytes'])} | {1 / result['weights_ratio']:.1f}× |"
        for result in ran
    ]
    names = ("scheme", "key", "per token", "speed ÷ 32-bit (95% interval)", "first token", "weights", "smaller")
    head = f"| {' | '.join(names)} |\n|{' --- |' * len(names)}"
    return "\n".join([head, *rows, "", said])


def _speed(result: dict[str, Any]) -> str:
    """How many times as fast as the first variant, with its interval."""
    if result["per_token_ratio"] == 1:
        return "1"
    return f"{1 / result['per_token_ratio']:.2f} ({1 / result['per_token_ratio_high']:.2f}–{1 / result['per_token_ratio_low']:.2f})"


if __name__ == "__main__":
    sys.exit(main())
