"""Layers that keep a state of a constant size in the place of keys and values: Mamba, Mamba 2 and the gated delta rule.

A state is the last tokens before a convolution, in the model's own type, and what the recurrence has come to, in 32 bits. While a prompt is
read, transformers' own arithmetic holds matrices of a chunk of tokens for every head, or a state for every token; that is what is counted.
The kernels of mamba-ssm and flash-linear-attention, where they are installed, take less.
"""

from collections.abc import Callable
from dataclasses import dataclass

from qdash.checkpoints.fit.families import Family
from qdash.checkpoints.fit.values import Values, unknown

_DELTA_CHUNK = 64
_SINGLE_BYTES = 4


@dataclass(frozen=True)
class State:
    """What a layer keeps: `own_values` in the model's type, `single_values` in 32 bits, whatever the length of the text.

    While it reads, each token takes `reading_own` values in the model's type, and of the prompt filled up to whole chunks of `chunk` tokens
    each token takes `reading_single` values in 32 bits.
    """

    own_values: int
    single_values: int
    reading_own: int
    reading_single: float
    chunk: int = 1

    def reading_bytes(self, context: int, width: int) -> int:
        """What one layer takes to read a prompt of `context` tokens, in a type `width` bytes wide."""
        filled = self.chunk * -(-context // self.chunk)
        return round(self.reading_own * context * width + self.reading_single * filled * _SINGLE_BYTES)


def state_of(read: Values, family: Family) -> State | None:
    """The state of the layers of a model that have one; None for a model without such layers."""
    return None if family.state is None else _STATES[family.state](read, family)


def _mamba(read: Values, family: Family) -> State:
    """A state for every channel; transformers computes all tokens' before it goes through them one by one."""
    hidden, state = read.number("hidden_size"), _either(read, "state_size", "mamba_d_state")
    inner = _either(read, "expand", "mamba_expand") * hidden
    rank = next((read.found[name] for name in ("time_step_rank", "mamba_dt_rank") if name in read.found), "auto")
    rank = rank if isinstance(rank, int) else -(-hidden // 16)
    return State(
        own_values=inner * _either(read, "conv_kernel", "mamba_d_conv"),
        single_values=inner * state,
        reading_own=7 * inner + family.state_streams * hidden + rank + 2 * state,
        reading_single=3 * inner * state + 2 * inner,
    )


def _mamba2(read: Values, family: Family) -> State:
    """A state for every head; scores of a chunk's tokens among each other, then what each chunk adds to the state."""
    hidden, state = read.number("hidden_size"), _either(read, "mamba_d_state", "ssm_state_size", "state_size")
    groups, chunk = _either(read, "mamba_n_groups", "mamba_ngroups", "n_groups"), _either(read, "mamba_chunk_size", "chunk_size")
    heads, inner = _heads(read, hidden)
    of_chunks = inner * state / chunk
    worst = max(3 * inner + of_chunks, heads * state + 2 * of_chunks)
    return State(
        own_values=(inner + 2 * groups * state) * _either(read, "mamba_d_conv", "conv_kernel"),
        single_values=inner * state,
        reading_own=3 * inner + 4 * groups * state + family.state_streams * hidden,
        reading_single=heads * (3 * (chunk + state) + 5) + 4 * inner + worst,
        chunk=chunk,
    )


def _heads(read: Values, hidden: int) -> tuple[int, int]:
    """How many heads a layer of Mamba 2 has, and how many channels all of them."""
    heads = _either(read, "mamba_n_heads", "n_mamba_heads", "mamba_num_heads", "num_heads")
    if read.model_type == "nemotron_h":
        return heads, heads * read.number("mamba_head_dim")
    if read.model_type == "falcon_h1" and read.found.get("mamba_d_ssm") is not None:
        return heads, read.number("mamba_d_ssm")
    return heads, _either(read, "mamba_expand", "expand") * hidden


def _delta(read: Values, family: Family) -> State:
    """A matrix for every head of values, corrected by what it says of a key already."""
    heads, value = read.number("linear_num_value_heads"), read.number("linear_value_head_dim")
    key_heads, key = read.number("linear_num_key_heads"), read.number("linear_key_head_dim")
    keys, values = key_heads * key, heads * value
    in_values, in_keys = family.delta_copies
    return State(
        own_values=(2 * keys + values) * read.number("linear_conv_kernel_dim"),
        single_values=heads * key * value,
        reading_own=in_values * values + in_keys * keys + family.state_streams * read.number("hidden_size"),
        reading_single=heads * (3 * _DELTA_CHUNK + 5 * (key + value) + 5),
        chunk=_DELTA_CHUNK,
    )


def _either(read: Values, *names: str) -> int:
    """The value under the first of the names that there is."""
    for name in names:
        if read.found.get(name) is not None:
            return read.number(name)
    raise unknown(f"its config.json does not say {names[0]}")


_STATES: dict[str, Callable[[Values, Family], State]] = {"mamba": _mamba, "mamba2": _mamba2, "delta": _delta}
