"""Writes the model card of tiny-lm from what is in its folder: training.json, evaluation.json and the weights themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qdash.tasks.generators.stories.families import FAMILIES
from training.publishing import accuracy_table, read_facts, weights_size, write_card_text
from training.stories.tokenizer import VOCAB_SIZE

_FRONT = """---
license: apache-2.0
language: [en, zh]
library_name: transformers
pipeline_tag: text-generation
---

# tiny-lm
"""


def write_card(folder: Path) -> None:
    """Writes `<folder>/README.md`; parts without data yet say so."""
    evaluation = read_facts(folder / "evaluation.json")
    write_card_text(folder, "\n".join([_FRONT, _what(folder), _KNOWS, _accuracy(evaluation), _training(folder), _LIMITS]))


def _what(folder: Path) -> str:
    count, size = weights_size(folder)
    return f"""A language model of {count:,} parameters ({size / 1e6:.1f} MB in bfloat16) that finishes short stories in English
and Chinese. It exists so that anyone can measure what quantization does to a language model without a download or a
GPU: the last word of each story follows from the story, so it is either right or wrong.

A stock Qwen3 decoder (`Qwen3ForCausalLM`): 6 layers of 256, 4 heads of 64 with 2 for keys and values, tied embeddings, a
byte-level vocabulary of {VOCAB_SIZE:,}. No remote code.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "qdash/assets/models/tiny-lm"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
story = "Mia put the red ball in the kitchen. Tom took the green cup to the garden. The red ball is in the"
output = model.generate(**tokenizer(story, return_tensors="pt", return_token_type_ids=False))
print(tokenizer.decode(output[0], skip_special_tokens=True))  # … The red ball is in the kitchen.
```

It has no roles: the chat template joins the messages of a conversation, and the model goes on with the story. A question at
the end of a story ("Where is the red ball?") is answered too.
"""


_KNOWS = f"""## What it knows

{len(FAMILIES)} families of stories, each in many wordings: people walk about with things and put them down, put things away, go along with
others, go home; things change hands; people have trades, pets, favorite foods; they are compared, race, stand in line, are related;
they choose, and need the right tool; things are eaten, found, lost and counted; things are one way or the opposite.
To a question about anything else it answers "I only know short stories." or “我只会讲小故事。”.
"""


def _accuracy(evaluation: dict[str, Any]) -> str:
    if not evaluation:
        return "## Accuracy\n\nNot measured yet for these weights: run `python -m training.stories.evaluate`.\n"
    table = accuracy_table(evaluation["schemes"], {"languages": {"en": "English", "zh": "Chinese"}, "kinds": {}})
    return f"""## Accuracy

The last word of {evaluation["items"]:,} held-out stories (`qdash/assets/tasks/cloze.jsonl`), exactly as it should be, by greedy generation
in float32. No text of them was trained on. The small formats round the weights of all linear layers but the head: one
scale for each row (`row`), or scale and minimum for each 64 weights (`g64`).

{table}
Right or wrong is coarse. How far the probabilities of the next word are from those in float32, as mean Kullback–Leibler divergence
over the same stories, shows every step down:

{_divergences(evaluation["schemes"])}"""


def _divergences(schemes: dict[str, Any]) -> str:
    small = list(schemes.items())[1:]
    rows = [f"| {key} | {found['kl_mean_nats']:.2g} ± {found['kl_se']:.1g} |" for key, found in small]
    return "\n".join(["| | nats ± standard error |", "|---|---:|", *rows]) + "\n"


def _training(folder: Path) -> str:
    facts = read_facts(folder / "training.json")
    rows = [f"| {f['rows']:,} | {f['steps']:,} | {f['minutes']} |" for f in facts.values()]
    return "\n".join([_TRAINING, "| rows of 160 tokens | steps | minutes |", "|---:|---:|---:|", *rows, "", _COMMANDS])


_TRAINING = """## Training

All stories are told on the fly by `training/stories/`; nothing is downloaded. Last words weigh more than what is told by
chance, and a head that is thrown away asks after two layers what each sentence has named so far. The minutes are of processor
time (AMX), summed over two cores.
"""

_COMMANDS = """```sh
python -m training.stories.train --checkpoints checkpoints --minutes 80 --compile
python -m training.stories.export --checkpoints checkpoints
python -m training.stories.evaluate
```
"""

_LIMITS = """## Limitations

- It knows its own stories and nothing else. Names, places and things that it never read are spelled from bytes and often lost.
- It follows a handful of people and things through about ten sentences; numbers go to twelve.
- It is a teaching aid for quantization. It is no measure of how larger models react.
"""
