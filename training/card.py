"""Writes the model card of tiny-vlm from what is in its folder: training.json, evaluation.json and the weights themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qdash.tasks.generators.vocabulary import COLOURS, SHAPES, THINGS
from training.publishing import accuracy_table, read_facts, weights_size, write_card_text

_FRONT = """---
license: apache-2.0
language: [en, zh]
library_name: transformers
pipeline_tag: image-text-to-text
---

# tiny-vlm
"""


def write_card(folder: Path) -> None:
    """Writes `<folder>/README.md`; parts without data yet say so."""
    text = "\n".join([_FRONT, _what(folder), _world(), _accuracy(read_facts(folder / "evaluation.json")), _training(folder), _LIMITS])
    write_card_text(folder, text)


def _what(folder: Path) -> str:
    count, size = weights_size(folder)
    return f"""A vision-language model of {count:,} parameters ({size / 1e6:.1f} MB in bfloat16) that answers
questions about simple drawings in English and Chinese. It exists so that anyone can watch what quantization does to
such a model without a download or a GPU: its answers are short, and visibly right or wrong.

Stock classes throughout (`LlavaForConditionalGeneration`): a SigLIP tower (6 layers of 192, 96×96 pixels in patches of
12, 64 image tokens), a two-layer projector, and a Qwen3 decoder (4 layers of 192, tied embeddings, a byte-level vocabulary
of 1,024). No remote code.

```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder = "qdash/assets/models/tiny-vlm"
processor = AutoProcessor.from_pretrained(folder)
model = AutoModelForImageTextToText.from_pretrained(folder)
messages = [{{"role": "user", "content": [{{"type": "image"}}, {{"type": "text", "text": "What is in this picture?"}}]}}]
prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
inputs = processor(images=Image.open("qdash/assets/samples/t1-square.png"), text=prompt, return_tensors="pt")
answer = model.generate(**inputs)[0, inputs["input_ids"].shape[1] :]
print(processor.decode(answer, skip_special_tokens=True))  # A black square on a white background.
```
"""


def _world() -> str:
    return f"""## What it knows

One to four things on a plain background: {len(SHAPES)} shapes ({", ".join(k.en for k in SHAPES)}) in {len(COLOURS)} colours
({", ".join(c.en for c in COLOURS)}), and {len(THINGS)} things drawn from the Noto Color Emoji font
({", ".join(k.en for k in THINGS)}). Pictures may have any size and shape; the processor pads them to a square.

It can be asked to describe the picture, to count everything or one kind, for a shape's colour, which thing has a colour
or is at a place, where something is (nine places), whether something is there, how two things lie to each other, and for
the background's colour. To anything else it answers "I only know simple drawings." or “我只认识简单的图画。”.
"""


def _accuracy(evaluation: dict[str, Any]) -> str:
    if not evaluation:
        return "## Accuracy\n\nNot measured yet for these weights: run `python -m training.evaluate`.\n"
    schemes = evaluation["schemes"]
    lines = [
        "## Accuracy",
        "",
        f"Exact match on {evaluation['questions']:,} held-out questions about pictures never trained on, greedy generation through",
        "the files in this folder, computed in float32. Every type has the same number of questions in each language.",
        "",
        accuracy_table(schemes, {"languages": {"en": "English", "zh": "Chinese"}, "types": {}}),
    ]
    return "\n".join(lines)


def _training(folder: Path) -> str:
    lines = [
        "## Training",
        "",
        "All data is drawn on the fly by `training/`; nothing is downloaded. First the tower alone learns to see (`see`: every",
        "patch names what covers it), then everything learns to answer (`answer`: about a dozen packed questions a picture).",
        "The minutes are of two processor cores (AMX) that other work kept busy. The recipe was refined on the way: these weights",
        "met the heavier share of questions about relations, and the supervision of the order from the top, only towards the end.",
        "A run from scratch by the commands below meets both throughout; it has not been made.",
        "",
        "| stage | pictures | steps | minutes |",
        "|---|---:|---:|---:|",
    ]
    facts = read_facts(folder / "training.json")
    lines += [f"| {stage} | {f['pictures']:,} | {f['steps']:,} | {f['minutes']} |" for stage, f in facts.items()]
    lines += ["", _COMMANDS]
    return "\n".join(lines)


_COMMANDS = """```sh
python -m training.train see    --checkpoints checkpoints --minutes 11
python -m training.train answer --checkpoints checkpoints --minutes 100 --compile
python -m training.export   --checkpoints checkpoints
python -m training.evaluate
```
"""

_LIMITS = """## Limitations

- It knows its drawn world and nothing else: photographs, other drawing styles, more than four things, overlapping
  things and textured backgrounds get wrong answers, usually confident ones.
- Questions are understood in the wordings it was trained on and close relatives of them. The chat template rewords some others: it writes
  形状 as 图形, takes shapes of no named colour for things (“How many shapes are there?”), and puts questions in capitals in small
  letters. A question in neither Latin nor Chinese letters is refused in English. It was trained on one question per
  conversation, with the picture first. Now and then it takes a sum in an unfamiliar wording ("How much is 86 * 6?")
  for a question about the picture.
- Of the drawn things it confuses small shapes most (cross and star, circle and square).
- It is a teaching aid for quantization. It is no measure of how larger models react.
"""
