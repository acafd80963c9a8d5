"""One step of decoding, four ways: how much of a token's time is the model and how much is Python and kernel launches.

    python -m benchmarks.decode_step --model FOLDER [--scheme bnb-nf4] [--dtype bfloat16] [--device cuda:0] [--tokens 64] [--ways …]

`generate`: transformers' own loop, as qdash times it. `static`: a forward pass on a cache of fixed size, without the loop around it.
`graph`: the same, recorded once as a CUDA graph and replayed. `compiled`: by torch.compile, then recorded. All ways start from the same
prompt and must choose the same tokens; a way that chooses others first differs at `same_tokens`. The last line is one JSON document.
"""

import argparse
import json
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel, StaticCache

from qdash.engine.worker import Worker
from qdash.records import WorkerSpec, device_type

WAYS = ("generate", "static", "graph", "compiled")
PROMPT_TOKENS = 64
REPEATS = 3  # the shortest counts: what disturbs a run only makes it longer


def main() -> int:
    """Measure every way; 0 if all worked and agree on the tokens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True, metavar="FOLDER")
    parser.add_argument("--scheme", default="original")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["generate", "static"])
    chosen = parser.parse_args()
    print(json.dumps(measured(chosen.model, chosen.scheme, chosen.dtype, chosen.device, chosen.tokens, chosen.ways)))
    return 0


def measured(folder: str, scheme: str, dtype: str, device: str, tokens: int, ways: list[str]) -> dict[str, Any]:
    """Milliseconds a token of each way, bytes of weights read a second at that speed, and where its tokens first differ."""
    spec = WorkerSpec.model_validate(
        {"folder": folder, "revision": "", "task": "text-generation", "scheme": scheme, "device": device, "dtype": dtype, "threads": 4}
    )
    worker = Worker(spec)
    loaded = worker.load(emit=lambda event: None, stop=lambda: False)
    assert worker.held is not None
    subject = Subject(worker.held.model, tokens)
    results: list[dict[str, Any]] = []
    reference: list[int] | None = None
    for way in ways:
        try:
            seconds, said, ready_s = subject.timed(way)
        except Exception as error:  # one way may not exist for a scheme; the others are still worth knowing
            results.append({"way": way, "error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"})
            continue
        reference = reference or said
        same = next((index for index, pair in enumerate(zip(said, reference, strict=True)) if pair[0] != pair[1]), len(said))
        results.append(
            {
                "way": way, "per_token_ms": seconds * 1e3, "gb_per_s": loaded.weights_bytes / seconds / 1e9, "same_tokens": same,
                "tokens": len(said), "ready_s": ready_s,
            }
        )  # fmt: skip
    conditions = {
        "scheme": scheme, "dtype": dtype, "device": device, "weights_bytes": loaded.weights_bytes, "torch": torch.__version__,
        "transformers": transformers.__version__,
    }  # fmt: skip
    return {"benchmark": "decode_step", "conditions": conditions, "results": results}


class Subject:
    """A loaded text model and a prompt of arbitrary tokens."""

    def __init__(self, model: PreTrainedModel, tokens: int) -> None:
        self.model, self.tokens, self.device = model, tokens, model.device
        self.prompt = torch.arange(100, 100 + PROMPT_TOKENS, device=self.device)[None] % model.config.get_text_config().vocab_size
        self.on_cuda = device_type(str(self.device)) == "cuda"

    @torch.inference_mode()
    def timed(self, way: str) -> tuple[float, list[int], float]:
        """Seconds a token, the tokens after the first, and seconds until the first step could be taken."""
        if way == "generate":
            return self._generated()
        if way == "graph" and not self.on_cuda:
            raise RuntimeError("A CUDA graph needs a CUDA device.")
        return self._stepped(way)

    def _generated(self) -> tuple[float, list[int], float]:
        self._generate(8)
        first_s, _ = self._shortest(lambda: self._generate(2))
        total_s, said = self._shortest(lambda: self._generate(self.tokens + 2))
        return (total_s - first_s) / self.tokens, said[: self.tokens + 1], 0.0

    def _generate(self, tokens: int) -> list[int]:
        generate: Any = self.model.generate
        made = generate(self.prompt, attention_mask=torch.ones_like(self.prompt), min_new_tokens=tokens, max_new_tokens=tokens)
        return made[0, PROMPT_TOKENS:].tolist()

    def _stepped(self, way: str) -> tuple[float, list[int], float]:
        began = perf_counter()
        room = -(-(PROMPT_TOKENS + self.tokens + 8) // 64) * 64
        cache = StaticCache(self.model.config, max_cache_len=room)
        token = torch.zeros(1, 1, dtype=torch.long, device=self.device)
        place = torch.zeros(1, dtype=torch.long, device=self.device)
        forward: Any = self.model.forward
        if way == "compiled":
            forward = torch.compile(forward, fullgraph=True, dynamic=False, mode="max-autotune-no-cudagraphs" if self.on_cuda else None)

        def step() -> None:
            logits = forward(input_ids=token, position_ids=place[None], past_key_values=cache, use_cache=True).logits
            token.copy_(logits[:, -1].argmax(-1, keepdim=True))
            place.add_(1)

        def start() -> None:
            cache.reset()
            logits = self.model(self.prompt, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            token.copy_(logits[:, -1].argmax(-1, keepdim=True))
            place.fill_(PROMPT_TOKENS)

        start()
        for _ in range(3):
            step()
        taken = _recorded(step, start) if self.on_cuda and way in ("graph", "compiled") else step
        ready_s = perf_counter() - began
        seconds, said = self._shortest(lambda: self._run(taken, token), start)
        return seconds / self.tokens, said, ready_s

    def _run(self, step: Callable[[], None], token: Tensor) -> list[int]:
        said = [token.clone()]
        for _ in range(self.tokens):
            step()
            said.append(token.clone())
        return torch.cat(said).flatten().tolist()

    def _shortest(self, run: Callable[[], list[int]], before: Callable[[], None] = lambda: None) -> tuple[float, list[int]]:
        found: list[tuple[float, list[int]]] = []
        for _ in range(REPEATS):
            before()
            self._wait()
            began = perf_counter()
            said = run()
            self._wait()
            found.append((perf_counter() - began, said))
        return min(found, key=lambda pair: pair[0])

    def _wait(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


def _recorded(step: Callable[[], None], start: Callable[[], None]) -> Callable[[], None]:
    """`step` as a CUDA graph. It is taken once on another stream first, as recording asks for."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    start()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


if __name__ == "__main__":
    sys.exit(main())
