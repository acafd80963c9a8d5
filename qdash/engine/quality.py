"""How closely one model follows another along a text: Kullback–Leibler divergence, agreement on the likeliest token, perplexity.

KL(P ‖ Q) = Σ p·(log p − log q) over the vocabulary, P the original's next-token distribution and Q the variant's, in nats. Of a large
vocabulary P is known token by token for the likeliest tokens only; all others are merged into one with the remaining probability. Merging
tokens can only lower a divergence (the data processing inequality; Cover and Thomas, Elements of Information Theory, 2.8), so that is a
lower bound. Logarithms are rounded to float32 on both sides alike, so that equal models are exactly 0 apart; sums are float64.
"""

import hashlib
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qdash.engine.accelerator import float64_device
from qdash.engine.generation import whole_characters
from qdash.engine.kv_cache import rounds_cache
from qdash.engine.prompting import Inputs, check_room, context_length
from qdash.engine.tails import flips_of, margins_of, tail_of
from qdash.engine.teacher_forcing import GeneratedLogits, in_one_pass, step_by_step, teacher_forced_logits, vocab_size
from qdash.errors import QdashError
from qdash.records import Agreement, Reference, TokenAgreement
from qdash.records.agreement import LIKELIEST, MAX_SCORED_TOKENS, MAX_SHOWN_TOKENS, WHOLE_VOCABULARY

_PIECE_CHARS = 40
NOT_FINITE_REMEDY = "Choose float32 as the baseline data type; if that does not help, the weights in its files are damaged."

OnToken = Callable[[int, int], None]
"""Called with how many tokens are done, of how many."""


def log_probs(logits: Tensor, ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities in nats: at `ids` [n, k], of all other tokens together [n], and of the `targets` [n].

    The first two are float32, the last float64. Overwrites `logits`, float32 [n, vocabulary].
    """
    picked, own = logits.gather(-1, ids).double(), logits.gather(-1, targets[:, None])[:, 0].double()
    highest = logits.amax(-1, keepdim=True)
    shares = logits.sub_(highest).exp_()
    total = shares.sum(-1, dtype=torch.float64)
    rest = shares.scatter_(-1, ids, 0.0).sum(-1, dtype=torch.float64)
    normaliser = highest[:, 0].double() + total.log()
    return (picked - normaliser[:, None]).float(), (rest / total).log().float(), own - normaliser


def divergence(log_p: Tensor, p_tail: Tensor, log_q: Tensor, q_tail: Tensor) -> Tensor:
    """KL(P ‖ Q) at n positions in nats, float64 [n], from the `log_probs` of both at the same tokens [n, k] and of the rest [n]."""
    log_p, log_q = (torch.cat((known, tail[:, None]), -1).double() for known, tail in ((log_p, p_tail), (log_q, q_tail)))
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), 0.0).sum(-1).clamp(min=0)


def record_reference(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    inputs: Inputs,
    tokens: Sequence[int],
    on_token: OnToken,
    stop: Callable[[], bool],
    generated: GeneratedLogits | None = None,
    *,
    stepwise: bool = False,
) -> Reference:
    """The distributions of `model` at each of `tokens` after the prompt `inputs`; at most as many as fit its context and MAX_SCORED_TOKENS.

    `generated`: the logits known from generating these tokens, so that they need not be computed again. `stepwise`: they are scored one at
    a time even if one pass would do, for variants that can be scored in no other way.

    Raises QdashError: "bad_input" if there is nothing to score, "not_finite" if logits are NaN or infinite, "cancelled".
    """
    tokens = tuple(tokens[: _room(model, inputs)])
    if not tokens:
        raise QdashError("There is no token to compare.", "Give a text of at least one word, or a shorter question.")
    home = float64_device(model.device)
    targets = torch.tensor(tokens, device=home)
    # What is kept has its place before the work begins: small blocks among large ones that come and go would leave holes that fit none.
    width = vocab_size(model)
    kept = width if width <= WHOLE_VOCABULARY else LIKELIEST
    ids, log_p = torch.empty(len(tokens), kept, dtype=torch.int32), torch.empty(len(tokens), kept)
    tail = torch.empty(len(tokens))
    own, margins = (torch.empty(len(tokens), dtype=torch.float64) for _ in range(2))

    def take(place: int, logits: Tensor) -> None:
        logits = logits.to(home)
        here = slice(place, place + len(logits))
        margins[here] = margins_of(logits)
        likeliest = logits.topk(kept).indices
        ids[here] = likeliest.int()
        log_p[here], tail[here], own[here] = log_probs(logits, likeliest, targets[here])
        on_token(here.stop, len(tokens))

    if stepwise:
        step_by_step(model, inputs, tokens, take, stop)
    one_pass = not stepwise and teacher_forced_logits(model, inputs, tokens, take, stop, generated)
    if not bool(own.isfinite().all()):
        raise QdashError("The original's own scores are NaN or infinite.", NOT_FINITE_REMEDY, "not_finite")
    return Reference(
        tokens=tokens,
        prompt=tuple(inputs["input_ids"][0].tolist()),
        pieces=pieces_of(tokenizer, tokens[:MAX_SHOWN_TOKENS]),
        vocabulary=fingerprint(tokenizer),
        width=width,
        kept=kept,
        log_probs=log_p.numpy().tobytes(),
        ids=ids.numpy().tobytes(),
        tail=tail.numpy().tobytes(),
        own=own.numpy().tobytes(),
        margins=margins.numpy().tobytes(),
        ppl=_perplexity(own),
        step_by_step=not one_pass,
    )


def compare_to_reference(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    inputs: Inputs,
    reference: Reference,
    on_token: OnToken,
    stop: Callable[[], bool],
) -> Agreement:
    """How closely `model` follows `reference` after the prompt `inputs`; it is scored in the way that the reference was.

    A model with a rounded KV cache is always scored token by token: only then is the cache what it is while an answer is made.

    Raises QdashError: "bad_input" for another vocabulary or a shorter context, "cancelled".
    """
    if fingerprint(tokenizer) != reference.vocabulary:
        raise _other_vocabulary("its tokenizer has another vocabulary")
    if vocab_size(model) != reference.width:
        raise _other_vocabulary(f"it gives {vocab_size(model):,} scores per token, not {reference.width:,}")
    check_room(model, inputs, len(reference.tokens) - 1)
    home = float64_device(model.device)
    ids, log_p, p_tail = (array.to(home) for array in distributions(reference))
    targets = torch.tensor(reference.tokens, device=home)
    kl, own, margins = (torch.empty(len(targets), dtype=torch.float64) for _ in range(3))
    others = torch.empty(len(targets), dtype=torch.int64)

    def take(place: int, logits: Tensor) -> None:
        logits = logits.to(home)
        here = slice(place, place + len(logits))
        margins[here] = margins_of(logits)
        others[here] = _other_token(logits, ids[here, 0])
        log_q, q_tail, own[here] = log_probs(logits, ids[here], targets[here])
        kl[here] = divergence(log_p[here], p_tail[here], log_q, q_tail)
        on_token(here.stop, len(reference.tokens))

    (step_by_step if reference.step_by_step or rounds_cache(model) else in_one_pass)(model, inputs, reference.tokens, take, stop)
    same_prompt = tuple(inputs["input_ids"][0].tolist()) == reference.prompt
    agreement = _agreement(tokenizer, reference, ids[:, 0].cpu(), _Scored(kl, own, margins, others))
    return agreement.model_copy(update={"same_prompt": same_prompt})


def fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A digest of every token and its id: tokenizers with the same digest give comparable token ids."""
    words = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    digest = hashlib.sha256("\0".join(word for word, _ in words).encode("utf-8", "replace"))
    digest.update(array("q", [number for _, number in words]).tobytes())
    return digest.hexdigest()


def pieces_of(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> tuple[str, ...]:
    """The text that each token adds; empty for special tokens and for the first bytes of a character that later tokens complete."""
    pieces, before = [], ""
    for end in range(1, len(tokens) + 1):
        text = whole_characters(str(tokenizer.decode(list(tokens[:end]), skip_special_tokens=True)))
        # A decoder may take back a space; what is shown only ever grows.
        pieces.append(text[len(before) :] if text.startswith(before) else "")
        before = text if len(text) >= len(before) else before
    return tuple(pieces)


def _other_token(logits: Tensor, original: Tensor) -> Tensor:
    """The likeliest token of each position, −1 where it is the original's, also if several are equally likely."""
    same = logits.gather(-1, original[:, None])[:, 0] >= logits.amax(-1)
    return torch.where(same, -1, logits.argmax(-1))


@dataclass(frozen=True)
class _Scored:
    """What a variant gave at n tokens, [n] each: `kl` in nats, log-probability `own` of the text's token, its margins, and `others`, its
    likeliest token if it is not the original's, else −1.
    """

    kl: Tensor
    own: Tensor
    margins: Tensor
    others: Tensor


def _agreement(tokenizer: PreTrainedTokenizerBase, reference: Reference, likeliest: Tensor, found: _Scored) -> Agreement:
    """`likeliest`: the original's likeliest tokens [n]."""
    diverging = (found.others >= 0).nonzero()[:, 0].tolist()
    count, targets = len(reference.tokens), torch.tensor(reference.tokens)
    own, margins = (torch.frombuffer(bytearray(values), dtype=torch.float64) for values in (reference.own, reference.margins))
    delta_p = found.own.exp() - own.exp()
    return Agreement(
        kl_mean_nats=_finite(found.kl.mean()),
        kl_se=_finite(found.kl.std(correction=1) / math.sqrt(count)) if count > 1 else None,
        top1=1 - len(diverging) / count,
        ppl_original=reference.ppl,
        ppl=_perplexity(found.own),
        first_divergence=diverging[0] if diverging else None,
        tokens=count,
        exact=reference.kept == reference.width,
        per_token=tuple(
            TokenAgreement(
                piece=piece[:_PIECE_CHARS],
                kl_nats=_finite(found.kl[place]),
                instead=None if found.others[place] < 0 else _word(tokenizer, int(found.others[place])),
                margin_original=_rounded(margins[place]),
                margin=_rounded(found.margins[place]),
                delta_p=_rounded(delta_p[place]),
            )
            for place, piece in enumerate(reference.pieces)
        ),
        flips=flips_of(found.others, likeliest, targets, margins),
        tail=tail_of(found.kl, delta_p),
    )


def _word(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    return str(tokenizer.decode([token]))[:_PIECE_CHARS]


def distributions(reference: Reference) -> tuple[Tensor, Tensor, Tensor]:
    """Of a reference `ids` int64 [n, k], `log_probs` float32 [n, k] and `tail` float32 [n]."""
    shape = (len(reference.tokens), reference.kept)
    return (
        torch.frombuffer(bytearray(reference.ids), dtype=torch.int32).view(shape).long(),
        torch.frombuffer(bytearray(reference.log_probs), dtype=torch.float32).view(shape),
        torch.frombuffer(bytearray(reference.tail), dtype=torch.float32),
    )


def _room(model: PreTrainedModel, inputs: Inputs) -> int:
    """How many tokens can be scored; the last one is predicted but not read."""
    length = context_length(model)
    return MAX_SCORED_TOKENS if length is None else max(0, min(MAX_SCORED_TOKENS, length - inputs["input_ids"].shape[1] + 1))


def _perplexity(own: Tensor) -> float | None:
    """The exponential of the mean negative log-probability, float64 [n]."""
    return _finite((-own.mean()).exp())


def _finite(value: Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _rounded(value: Tensor) -> float | None:
    """To a millionth, which keeps files small."""
    number = _finite(value)
    return None if number is None else round(number, 6)


def _other_vocabulary(how: str) -> QdashError:
    return QdashError(f"This checkpoint cannot be compared word by word: {how}.", "Compare checkpoints of one model family.")
