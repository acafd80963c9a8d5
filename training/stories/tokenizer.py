"""Trains the tokenizer of tiny-lm on its own stories, and says how a conversation becomes a story.

A model of stories has no roles: the conversation is the story so far, and the model goes on. So the chat template only joins the
messages, and what is asked on a page and what is measured by the raw text are the same tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from transformers import PreTrainedTokenizerFast

from qdash.tasks.generators.phrases import LANGUAGES
from qdash.tasks.generators.stories.documents import refusal
from qdash.tasks.generators.stories.families import FAMILIES, is_held_out, tell
from qdash.tasks.generators.stories.telling import LEXICONS
from training.byte_level import train_byte_level
from training.reading import readable

VOCAB_SIZE = 2816
PAD, END = "<pad>", "<end>"
SPECIAL_TOKENS = [PAD, END]
"""Their ids are their positions here."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if not loop.first %}{{ ' ' }}{% endif %}"
    "{% if message['content'] is string %}{% set told = message['content'] | trim %}"
    f"{readable('told')}{{% else %}}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{% set told = part['text'] | trim %}"
    f"{readable('told')}{{% endif %}}"
    "{% endfor %}"
    "{% endif %}"
    "{% endfor %}"
)


def train_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, deterministically: the corpus comes from fixed seeds."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=train_byte_level(corpus(), VOCAB_SIZE, SPECIAL_TOKENS),
        pad_token=PAD,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def corpus(rounds: int = 300) -> Iterator[str]:
    """Stories of every family in both languages with all their endings, and what is refused, as separate texts.

    Rare words are there too, often enough to become one token each.
    """
    for round_ in range(rounds):
        for language in LANGUAGES:
            if round_ % 3 == 0:
                yield from (" " + text for text in LEXICONS[language].texts)
            for family in FAMILIES:
                story = tell(family, language, random.Random(f"corpus {round_} {language} {family}"))
                if is_held_out(story):
                    continue
                yield story.body
                for conclusion in story.conclusions:
                    yield " " + conclusion.question
                    yield " " + story.statement(conclusion)
            if round_ % 5 == 0:
                yield "".join(text for text, _ in refusal(language, random.Random(f"corpus {round_}")))
