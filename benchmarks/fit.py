"""How far the estimated memory of a context is from the measured peak: kinds of attention and of states, three lengths, on a CPU.

    python -m benchmarks.fit [--kinds grouped window latent hybrid mamba2 delta] [--context 8192] [--dtype float32]

Small models with random weights are made for it: grouped queries, sliding windows beside full attention, latent vectors, short
convolutions beside attention, and states of Mamba 2 and of the gated delta rule beside it. Each is loaded in a worker of its own and reads
a sixteenth, a half and all of the context. The goal is an error of at most 10 %. The last line is one JSON document; the exit status tells
whether the goal was met.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, models

from qdash import execution
from qdash.execution.forward import result_of
from qdash.machine import this_machine
from qdash.records import FitReport, Request
from qdash.runs.fit import measure_fit
from qdash.runs.plan import variants_of
from qdash.settings import settings

GOAL = 0.1
WORDS = 512
WIDTHS: dict[str, Any] = {
    "vocab_size": WORDS, "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 6, "num_attention_heads": 16,
    "num_key_value_heads": 4, "max_position_embeddings": 32768, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LATENT = {"q_lora_rank": 256, "kv_lora_rank": 128, "qk_rope_head_dim": 32, "qk_nope_head_dim": 64, "v_head_dim": 64}
FEW_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 4, "first_k_dense_replace": 6}
TURNS = ["sliding_attention", "full_attention"] * 3
KINDS: dict[str, Callable[[], Any]] = {
    "grouped": lambda: hf.LlamaConfig(**WIDTHS),
    "window": lambda: hf.Gemma3TextConfig(**WIDTHS, head_dim=64, sliding_window=512, layer_types=TURNS),
    "latent": lambda: hf.DeepseekV3Config(**{**WIDTHS, **LATENT, **FEW_HEADS}),
    "hybrid": lambda: hf.Lfm2Config(**WIDTHS, layer_types=["conv", "full_attention"] * 3, block_auto_adjust_ff_dim=False),
    "mamba2": lambda: hf.BambaConfig(**WIDTHS, attn_layer_indices=[2, 5], mamba_n_heads=16, mamba_d_state=64, mamba_chunk_size=128),
    "delta": lambda: hf.Qwen3_5TextConfig(
        **WIDTHS, head_dim=64, linear_num_key_heads=8, linear_num_value_heads=16, layer_types=["linear_attention", "full_attention"] * 3
    ),
}


def main() -> int:
    """Measure every kind, print a line for each length and the JSON document; 0 if all meet the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    chosen = parser.parse_args()
    found = [result for kind in chosen.kinds for result in measured(kind, chosen.context, chosen.dtype)]
    met = all(result["error"] is not None and abs(result["error"]) <= GOAL for result in found)
    machine = this_machine()
    conditions = {
        "context": chosen.context, "dtype": chosen.dtype, "device": machine.cpu_name, "cores": machine.cores,
        "torch": machine.packages.get("torch"), "transformers": machine.packages.get("transformers"),
    }  # fmt: skip
    print(json.dumps({"benchmark": "fit", "goal": GOAL, "met": met, "conditions": conditions, "results": found}))
    return 0 if met else 1


def measured(kind: str, context: int, dtype: str) -> list[dict[str, Any]]:
    """Estimate and peak of one kind at each length."""
    with tempfile.TemporaryDirectory() as folder, closing(execution.create(settings())) as executor:
        make(kind, Path(folder))
        values = {"variants": variants_of(folder, ["original"]), "prompt": "", "device": "cpu", "baseline_dtype": dtype}
        report = result_of(measure_fit(Request.model_validate(values), context, 1, executor))
    return [_result(kind, report, place) for place in range(len(report.measured))]


def make(kind: str, folder: Path) -> None:
    """Save a model with random weights, and a tokenizer of as many words."""
    torch.manual_seed(0)
    hf.AutoModelForCausalLM.from_config(KINDS[kind]()).save_pretrained(folder)
    vocabulary = Tokenizer(models.WordLevel({f"word{place}": place for place in range(WORDS)}, unk_token="word0"))
    hf.PreTrainedTokenizerFast(tokenizer_object=vocabulary, pad_token="word0", bos_token="word1", eos_token="word2").save_pretrained(folder)


def _result(kind: str, report: FitReport, place: int) -> dict[str, Any]:
    entry = report.measured[place]
    problem = None if entry.problem is None else entry.problem.message
    said = problem or f"estimated {entry.estimated_bytes / 1e6:,.1f} MB, measured {(entry.peak_bytes or 0) / 1e6:,.1f} MB"
    print(f"{kind}, {entry.context:,} tokens: {said}{'' if entry.error is None else f', {entry.error:+.1%}'}", flush=True)
    return {
        "kind": kind, "context": entry.context, "estimated_bytes": entry.estimated_bytes, "peak_bytes": entry.peak_bytes,
        "error": entry.error, "problem": problem,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
