"""How long it takes to know which of T1's four variants to use: qdash, cold, against the tutorial's own procedure at equal confidence.

    python -m benchmarks.time_to_verdict [--model random:fastvlm-0.5b] [--tokens 50] [--runs 5] [--schemes …] [--only qdash|tutorial]

The tutorial's procedure, each variant in turn in one process: load with transformers, generate `--runs` times `--tokens` tokens, drop the
model. It has no warm-up and no noise floor, so its ratios are worth less. To be as sure of them as qdash is, it takes one more run of each
that does not count, and the original once more at the end; how long it takes without both is given as `plain_seconds`. qdash runs as
`qdash run` does, in a process that starts from nothing. Both see the same picture, question and number of tokens. The goal is at most 0.7
times as long. Run it on a quiet machine; the last line is one JSON document, and the exit status tells whether the goal was met.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from qdash import checkpoints
from qdash.execution.forward import result_of
from qdash.machine import this_machine
from qdash.settings import settings

GOAL = 0.7
SAMPLE = Path(__file__).parents[1] / "qdash" / "assets" / "samples" / "t1-square.png"
PROMPT = "这张图片中有什么？请描述一下。"
SCHEMES = ("fp16", "bnb-int8", "bnb-nf4-fp32", "bnb-nf4")
"""FP16, “W8A8”, “W4A4” (really 4-bit weights with float32 compute) and W4A16."""

TUTORIAL = """
import gc, json, sys, time
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig

folder, picture, prompt, tokens, runs, schemes, threads = json.loads(sys.argv[1])
torch.set_num_threads(threads)
NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
CONFIGS = {
    "original": {}, "fp32": {"dtype": torch.float32}, "fp16": {"dtype": torch.float16},
    "bnb-int8": {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)},
    "bnb-nf4-fp32": {"quantization_config": BitsAndBytesConfig(**NF4)},
    "bnb-nf4": {"quantization_config": BitsAndBytesConfig(**NF4, bnb_4bit_compute_dtype=torch.float16)},
}
image = Image.open(picture).convert("RGB")
processor = AutoProcessor.from_pretrained(folder)
messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
found, extra_s = {}, 0.0
for number, name in enumerate([*schemes, schemes[0]]):
    began = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForImageTextToText.from_pretrained(folder, device_map=device, **CONFIGS[name]).eval()
    times = []
    for run in range(1 + runs):
        started = time.perf_counter()
        inputs = processor(text=text, images=image, return_tensors="pt").to(model.device, model.dtype)
        with torch.no_grad():
            model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        times.append(time.perf_counter() - started)
    found.setdefault(name, []).append(times[1:])
    del model
    gc.collect()
    extra_s += time.perf_counter() - began if number == len(schemes) else times[0]
print(json.dumps({"times": found, "extra_s": extra_s}))
"""


def main() -> int:
    """Measure both, print a line each and the JSON document; 0 if the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="random:fastvlm-0.5b")
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--only", choices=("qdash", "tutorial"))
    chosen = parser.parse_args()
    schemes = chosen.schemes.split(",")
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        model, threads = prepared(chosen.model), settings().threads or this_machine().cores
        if chosen.only != "tutorial":
            found["qdash"] = by_qdash(chosen.model, schemes, chosen.tokens, chosen.runs, Path(folder))
        if chosen.only != "qdash":
            found["tutorial"] = by_tutorial(model, schemes, chosen.tokens, chosen.runs, threads)
    for name, result in found.items():
        print(f"{name}: {result['seconds']:.0f} s, ratios {result['ratios']}")
    share = found["qdash"]["seconds"] / found["tutorial"]["seconds"] if len(found) == 2 else None
    conditions = {"model": chosen.model, "tokens": chosen.tokens, "runs": chosen.runs, "schemes": schemes, "threads": threads}
    met = share is not None and share <= GOAL
    document = {"benchmark": "time_to_verdict", "goal": GOAL, "met": met, "share": share, "conditions": conditions, "results": found}
    print(json.dumps(document, ensure_ascii=False))
    return 0 if met or share is None else 1


def prepared(model: str) -> str:
    """The folder of `model`, made or downloaded first, as that is neither's work."""
    found = checkpoints.locate(model)
    if found.folder is None:
        found = result_of(checkpoints.obtain(found))
    return str(found.folder)


def by_qdash(model: str, schemes: list[str], tokens: int, runs: int, folder: Path) -> dict[str, Any]:
    """Seconds of `qdash run` from its start to its files, and its ratios with their intervals."""
    out = folder / "comparison.json"
    command = [
        sys.executable, "-m", "qdash", "run", "--model", model, "--schemes", ",".join(schemes), "--image", str(SAMPLE), "--prompt", PROMPT,
        "--runs", str(runs), "--max-new-tokens", str(tokens), "--max-answer-tokens", str(tokens), "--json", str(out),
    ]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    comparison = json.loads(out.read_text(encoding="utf-8"))
    ratios = {result["scheme"]: (result["relative"] or {}).get("total") for result in comparison["variants"]}
    return {"seconds": seconds, "ratios": ratios, "rounds": comparison["rounds"]}


def by_tutorial(folder: str, schemes: list[str], tokens: int, runs: int, threads: int) -> dict[str, Any]:
    """Seconds of the tutorial's procedure from the start of Python, and its ratios."""
    arguments = json.dumps([folder, str(SAMPLE), PROMPT, tokens, runs, schemes, threads])
    began = time.perf_counter()
    output = subprocess.run([sys.executable, "-c", TUTORIAL, arguments], stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds = time.perf_counter() - began
    told = json.loads(output.splitlines()[-1])
    times = told["times"]
    first, again = times[schemes[0]]
    ratios = {scheme: median(times[scheme][0]) / median(first) for scheme in schemes}
    return {"seconds": seconds, "plain_seconds": seconds - told["extra_s"], "ratios": ratios, "drift": median(again) / median(first)}


if __name__ == "__main__":
    sys.exit(main())
