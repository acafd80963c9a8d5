"""Experiments that people can take with one click: a selection of schemes, and for the tutorials the whole set-up.

The tutorials' models are here as their published architectures with random weights, so that sizes and speeds are those of the real
thing with nothing to download; whoever has the network picks the published model instead and gets answers too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STARTER_SAMPLE = "bicycle-and-balloon.png"
T1_PROMPT = "这张图片中有什么？请描述一下。"
T1_SAMPLE = "t1-square.png"
T2_PROMPT = "She had been looking for the key all morning. At last she opened the old wooden box, and there it was: the"
T3_PROMPT = "Hello, how are you?"
PARIS = "What is the capital of France, and what is it famous for?"
STORY = "Mia went to the kitchen. Tom took the red ball to the garden. Mia picked up the lamp and walked to the attic. The lamp is in the"


@dataclass(frozen=True)
class Setup:
    """What a preset fills in besides the schemes. `tokens` and `runs` are of the timing; the picture stays where the model takes none.

    `prompt` None: the question that the sample picture comes with, in the language of the page.
    """

    model: str
    prompt: str | None
    tokens: int
    runs: int
    sample: str | None = None
    baseline_dtype: str = ""
    """What `original` and all that is not quantized is held in; empty for what is usual on the device."""


@dataclass(frozen=True)
class Preset:
    """A named list of schemes; `keys` empty means every scheme that runs on this machine. `setup` None changes nothing else."""

    key: str
    label: str
    keys: tuple[str, ...]
    about: str
    setup: Setup | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """What a tutorial calls schemes, where qdash calls them something else."""


PRESETS: tuple[Preset, ...] = (
    Preset(
        "starter", "Starter", ("original", "bnb-int8", "bnb-nf4", "minmax-4", "sim-w4a4", "int2-g64"),
        "From the original down to 2 bits, until it breaks. W4A4 fails by its activations: its weights have as many bits as NF4’s.",
        Setup("tiny-vlm", None, tokens=50, runs=5, sample=STARTER_SAMPLE),
    ),
    Preset(
        "paris", "Paris", ("original", "bnb-int8", "bnb-nf4", "int3-g64", "int2-g64"),
        "8, 4, 3 and 2 bits on a real language model of 135 M parameters: a download of 93 MB, once",
        Setup("smollm2-135m", PARIS, tokens=40, runs=3),
    ),
    Preset(
        "stories", "Stories", ("fp16", "fp8-e4m3", "fp8-e5m2", "fp6-e2m3", "fp6-e3m2", "bnb-int8", "int3-g64", "int2-g64"),
        "The Qwen3-4B tutorial's formats, and 3 and 2 bits, on the bundled story finisher: Evaluate under Quality counts right answers",
        Setup("tiny-lm", STORY, tokens=50, runs=5),
    ),
    Preset(
        "t1", "FastVLM", ("fp16", "bnb-int8", "bnb-nf4-fp32", "bnb-nf4"),
        "The FastVLM-0.5B tutorial: its four variants at real size, measured fairly",
        Setup("random:fastvlm-0.5b", T1_PROMPT, tokens=50, runs=5, sample=T1_SAMPLE),
        {"fp16": "FP16", "bnb-int8": "W8A8", "bnb-nf4-fp32": "W4A4", "bnb-nf4": "W4A16"},
    ),
    Preset(
        "t2", "Qwen3-4B", ("fp16", "fp8-e4m3", "fp8-e5m2", "fp6-e2m3", "fp6-e3m2", "bnb-int8"),
        "The Qwen3-4B tutorial: are 8 and 6 bits really 2–3× faster? Real floats of 8 and 6 bits; slow on a CPU",
        Setup("random:qwen3-4b", T2_PROMPT, tokens=10, runs=3),
        {"fp16": "FP16", "minmax-6": "FP6"},
    ),
    Preset(
        "t3", "BLOOM-1.7B", ("original", "fp32", "bnb-fp4", "bnb-int8"),
        "The bloom-1b7 tutorial: what 4 and 8 bits change inside; then open Inside below the charts",
        Setup("random:bloom-1b7", T3_PROMPT, tokens=20, runs=3, baseline_dtype="float16"),
        {"fp32": "float32", "bnb-fp4": "4-bit", "bnb-int8": "8-bit"},
    ),
    Preset("all", "All", (), "Every scheme that this machine can run, on the chosen model"),
)  # fmt: skip
