"""Trains the tokenizer of tiny-vlm on the world's own questions and answers, and lays out a conversation."""

from __future__ import annotations

import random
from collections.abc import Iterator

from transformers import PreTrainedTokenizerFast

from qdash.tasks.generators.outside import outside_question
from qdash.tasks.generators.phrases import LANGUAGES
from qdash.tasks.generators.questions import TYPES, ask
from qdash.tasks.generators.world import sample_scene
from training.byte_level import train_byte_level
from training.reading import readable

VOCAB_SIZE = 1024
PAD, IMAGE, USER, ASSISTANT, END = "<pad>", "<image>", "<user>", "<assistant>", "<end>"
SPECIAL_TOKENS = [PAD, IMAGE, USER, ASSISTANT, END]
"""Their ids are their positions here."""

SAME_QUESTIONS = {
    "形状": "图形",
    "几个图形": "几个物体",
    "多少个图形": "多少个物体",
    "多少图形": "多少个物体",
    "有哪些图形": "有什么",
    "有什么图形": "有什么",
    "many shapes": "many objects",
    "ount the shapes": "ount the objects",
    "hat shapes are": "hat is",
    "hat shapes do": "hat do",
    "hat shapes can": "hat can",
}
"""Wordings that training never has → the same in its own words, replaced in this order. A shape whose colour is not named is any thing."""

_REWORDED = "".join(f" | replace('{old}', '{new}')" for old, new in SAME_QUESTIONS.items())

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<assistant>' if message['role'] == 'assistant' else '<user>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}"
    "{% set said = part['text'] | lower if part['text'] == part['text'] | upper else part['text'] %}"
    f"{{% set said = said{_REWORDED} %}}{readable('said')}"
    "{% endif %}{% endfor %}"
    "{% endif %}"
    "{{ '<end>' if message['role'] == 'assistant' else '' }}"
    "{% endfor %}"
    "{{ '<assistant>' if add_generation_prompt else '' }}"
)
"""The image always comes before the text, the only order that training has. Questions in capitals are written in small letters."""


def train_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, deterministically: the corpus comes from fixed seeds."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=train_byte_level(corpus(), VOCAB_SIZE, SPECIAL_TOKENS),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[IMAGE, USER, ASSISTANT],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def corpus(scenes: int = 4000) -> Iterator[str]:
    """Questions and answers of every type about the first scenes, as separate texts."""
    for seed in range(scenes):
        scene, rng = sample_scene(seed), random.Random(f"corpus {seed}")
        for language in LANGUAGES:
            yield outside_question(language, rng)[0]
            for type_ in TYPES:
                question = ask(scene, type_, language, rng)
                if question:
                    yield question.text
                    yield question.answer
