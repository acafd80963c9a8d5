"""What kernels of quantized layers do for every token, in plain words: the answer to “why is it slower?”."""

UNPACKING = "unpacking the weights"
"""What kernels do besides multiplying, where it is not said in how many bits the weights are."""

BESIDE_MULTIPLYING = "the work beside multiplying"
"""The same of several kernels that do different things."""


def rounding_inputs(rounds: str, how: str) -> str:
    """Layers that multiply few bits by few bits. `rounds` begins the sentence, “It rounds”; `how` says how the range is found."""
    return (
        f"{rounds} each input to 8 bits, {how}, and multiplies these: faster where the device has instructions for that, slower where it "
        "has not or the layers are small."
    )


def unpacking_weights(reads: str) -> str:
    """Layers that multiply in floats. `reads` begins the sentence, “It reads few bits”."""
    return (
        f"{reads} a weight and must unpack and scale each before it can multiply: faster where reading memory is what takes the time, as "
        "with large models, slower where the unpacking is."
    )
