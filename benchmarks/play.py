"""From a move of the slider on the Play page to the new answer: the time until the worker's result is in the page's process.

    python -m benchmarks.play [--model tiny-vlm] [--prompt TEXT] [--picture three-hearts.png] [--rounds 3]

The slider goes from 16 bits to 1 in every format. What the browser takes is not in it. The last line is one JSON document.
"""

import argparse
import json
import os
import statistics
import sys
from time import perf_counter
from typing import Any

from qdash import execution
from qdash.catalog.format_series import SERIES
from qdash.catalog.models import ASSETS, MODELS
from qdash.execution.forward import result_of
from qdash.inputs import read_picture
from qdash.records import EVERYTHING, PlayRequest, Question, Reformat
from qdash.runs.play import begin_play, end_play, play
from qdash.settings import settings

MOST_TOKENS = 32


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tiny-vlm")
    parser.add_argument("--prompt", default="What is in this picture?")
    parser.add_argument("--picture", default="three-hearts.png")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    sees = chosen.model not in MODELS or MODELS[chosen.model].task == "image-text-to-text"
    png = read_picture(ASSETS / "samples" / chosen.picture)[1] if sees else None
    print(json.dumps(measured(chosen.model, Question(prompt=chosen.prompt, png=png), chosen.rounds)))
    return 0


def measured(model: str, question: Question, rounds: int) -> dict[str, Any]:
    """Medians in seconds, of all moves and by format; the load average beside them tells whether the machine was quiet."""
    executor, load = execution.create(settings()), os.getloadavg()[0]
    try:
        game = result_of(begin_play(model, "benchmark", executor))

        def moved(*actions: Reformat) -> float:
            began = perf_counter()
            result_of(play(game, PlayRequest(actions=actions, question=question, max_tokens=MOST_TOKENS), executor))
            return perf_counter() - began

        moved()
        found = {key: [moved(move) for _ in range(rounds) for move in _slide(key)] for key in SERIES}
        end_play(game, executor)
    finally:
        executor.close()
    every = [seconds for times in found.values() for seconds in times]
    medians = {key: round(statistics.median(times), 4) for key, times in found.items()}
    return {"model": model, "moves": len(every), "median_s": round(statistics.median(every), 4), "by_format_s": medians, "load": load}


def _slide(key: str) -> list[Reformat]:
    series = SERIES[key]
    return [Reformat(where=EVERYTHING, series=key, bits=bits) for bits in range(series.widest, series.narrowest - 1, -1)]


if __name__ == "__main__":
    sys.exit(main())
