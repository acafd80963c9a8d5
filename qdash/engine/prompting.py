"""From a question to a model's inputs: the chat template where there is one, the plain prompt where there is none."""

import inspect
import io
from collections.abc import Sequence
from itertools import takewhile
from typing import Any
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

from qdash.engine.templates import Processor, encode, image_marker
from qdash.engine.vocabulary import check_tokens
from qdash.errors import QdashError
from qdash.records import Question

Inputs = dict[str, Tensor]


def read_image(question: Question) -> Image.Image | None:
    """The question's picture decoded, as a program that has just drawn or received it would hold it."""
    return Image.open(io.BytesIO(question.png)).convert("RGB") if question.png else None


def tokenizer_of(processor: Processor) -> PreTrainedTokenizerBase:
    """The tokenizer in a processor, or the tokenizer itself."""
    if not isinstance(processor, ProcessorMixin):
        return processor
    whole: Any = processor  # its class gets the attribute from the names of its parts
    return whole.tokenizer


def check_question(processor: Processor, question: Question) -> None:
    """Raise QdashError for a picture that the model cannot see, one that it must see, or a prompt with the text that stands for one."""
    if not isinstance(processor, ProcessorMixin):
        if question.png:
            raise QdashError("This model reads text only and cannot look at a picture.", "Remove the picture, or choose a vision model.")
        return
    check_no_marker(processor, question.prompt, "prompt")
    if not question.png and needs_picture(processor):
        raise QdashError("This model answers questions about a picture only, and there is none.", "Add a picture.")


def check_no_marker(processor: Processor, text: str, what: str) -> None:
    """Raise QdashError if `text`, which people know as `what`, holds the text that stands for a picture."""
    for marker in _markers(processor):
        if marker in text:
            raise QdashError(f"The {what} contains “{marker}”, which this model reserves for pictures.", f"Take it out of the {what}.")


def before_marker(processor: Processor, tokens: Sequence[int]) -> tuple[int, ...]:
    """`tokens` up to the first that stands for a picture, which a model may say but not read."""
    reserved = tokenizer_of(processor).convert_tokens_to_ids(_markers(processor))
    assert isinstance(reserved, list)
    return tuple(takewhile(lambda token: token not in reserved, tokens))


def _markers(processor: Processor) -> list[str]:
    markers = (image_marker(processor), getattr(processor, "video_token", None))
    return [marker for marker in markers if isinstance(marker, str) and isinstance(processor, ProcessorMixin)]


def build_inputs(processor: Processor, prompt: str, image: Image.Image | None, model: PreTrainedModel) -> Inputs:
    """Tensors for `generate`, a batch of one, on the model's device; pixels in its dtype.

    Raises QdashError: "checkpoint" for a chat template that fails or hides the prompt, and for tokens that the model lacks.
    """
    inputs = {name: value for name, value in encode(processor, prompt, image).items() if isinstance(value, Tensor)}
    check_tokens(model, tokenizer_of(processor), inputs["input_ids"].flatten().tolist())
    inputs.pop("labels", None)  # for training; a model that is given them computes a loss
    if "token_type_ids" in inputs and "token_type_ids" not in inspect.signature(model.forward).parameters:
        # Some tokenizers give token types that their decoder has no use for, and `generate` refuses what a model does not take.
        del inputs["token_type_ids"]
    # Pixels get the model's dtype, ids and grids stay integers.
    return {name: value.to(model.device, model.dtype if value.is_floating_point() else None) for name, value in inputs.items()}


def plain_inputs(processor: Processor, text: str, model: PreTrainedModel) -> Inputs:
    """A text to be continued as it stands, without a chat template."""
    encoded: Any = tokenizer_of(processor)(text, return_tensors="pt")  # tensors, because of `return_tensors`
    check_tokens(model, tokenizer_of(processor), encoded["input_ids"].flatten().tolist())
    return {name: encoded[name].to(model.device) for name in ("input_ids", "attention_mask")}


def inputs_of(tokens: Sequence[int], model: PreTrainedModel) -> Inputs:
    """These tokens as a text to be continued, whatever a tokenizer would put before them."""
    ids = torch.tensor([tokens], device=model.device)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def needs_picture(processor: Processor) -> bool:
    """Whether every question must come with a picture, which only the processor knows: it refuses those without."""
    if not isinstance(processor, ProcessorMixin):
        return False
    if processor not in _NEEDS_PICTURE:
        _NEEDS_PICTURE[processor] = not _takes(processor, None) and _takes(processor, Image.new("RGB", (64, 64)))
    return _NEEDS_PICTURE[processor]


_NEEDS_PICTURE: WeakKeyDictionary[ProcessorMixin, bool] = WeakKeyDictionary()
"""What was found out of each processor: an evaluation asks of every question."""


def _takes(processor: Processor, image: Image.Image | None) -> bool:
    try:
        encode(processor, "a", image)
    except Exception:  # of any type: each processor refuses in its own words
        return False
    return True


def context_length(model: PreTrainedModel) -> int | None:
    """How many tokens the model was made for, prompt and answer together; None if it does not say, as with ALiBi positions."""
    length = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None


def check_room(model: PreTrainedModel, inputs: Inputs, new_tokens: int) -> None:
    """Raise QdashError if the prompt and `new_tokens` do not fit the model's context."""
    limit, prompt_tokens = context_length(model), inputs["input_ids"].shape[1]
    if limit is not None and prompt_tokens + new_tokens > limit:
        message = (
            f"The prompt ({prompt_tokens:,} tokens) and the answer ({new_tokens:,}) do not fit this model's context of {limit:,} tokens."
        )
        raise QdashError(message, "Shorten the prompt, or ask for fewer tokens.")
