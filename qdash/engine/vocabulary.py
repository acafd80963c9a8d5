"""Tokens that a model has no row for, told before they reach it: on a GPU a look beyond the embedding ends the whole process."""

from collections.abc import Iterable

from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qdash.errors import QdashError


def rows_of(model: PreTrainedModel) -> int | None:
    """How many tokens the model's embedding has a row for; None if it has no table."""
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return None
    weight = getattr(table, "weight", None)
    return int(weight.shape[0]) if isinstance(table, nn.Module) and isinstance(weight, Tensor) and weight.ndim == 2 else None


def check_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tokens: Iterable[int]) -> None:
    """Raise QdashError("checkpoint") for a token beyond the embedding, and for no token at all; markers of pictures need no row."""
    tokens = list(tokens)
    if not tokens:
        message = "The prompt produced no tokens, so there is nothing for the model to continue."
        raise QdashError(message, "Type a prompt; if there is one, this model's tokenizer does not know any of its characters.")
    rows = rows_of(model)
    largest = max(tokens)
    if rows is None or largest < rows or largest in markers_of(model):
        return
    known = len(tokenizer)
    message = (
        f"The token “{tokenizer.convert_ids_to_tokens(largest)}” has number {largest:,}, but the model's embedding ends at {rows - 1:,}"
    )
    more = f": the tokenizer knows {known:,} tokens, the model {rows:,}." if known > rows else "."
    remedy = (
        "Save the tokenizer that the model was trained with beside it; if tokens were added, call resize_token_embeddings(len(tokenizer))."
    )
    raise QdashError(message + more, remedy, "checkpoint")


def markers_of(model: PreTrainedModel) -> set[object]:
    """Tokens that stand for pictures, videos or sound, whose place in the input is filled before it is looked up."""
    names = ("image_token_id", "image_token_index", "video_token_id", "video_token_index", "audio_token_id", "audio_token_index")
    return {getattr(model.config, name, None) for name in names}
