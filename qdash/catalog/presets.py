"""Selections of schemes that people can take with one click. The first tutorial's comes first after the starter."""

from dataclasses import dataclass

T1_PROMPT = "这张图片中有什么？请描述一下。"
T1_SAMPLE = "t1-square.png"


@dataclass(frozen=True)
class Preset:
    """A named list of schemes; `keys` empty means every scheme that runs on this machine."""

    key: str
    label: str
    keys: tuple[str, ...]
    about: str


PRESETS: tuple[Preset, ...] = (
    Preset("starter", "Starter", ("original", "bnb-int8", "bnb-nf4", "fp6-e2m3"), "8, 6 and 4 bits beside the original"),
    Preset(
        "t1", "FastVLM tutorial", ("fp16", "bnb-int8", "bnb-nf4-fp32", "bnb-nf4"),
        "The four variants of the FastVLM tutorial, measured fairly",
    ),
    Preset("all", "All that run here", (), "Every scheme this machine can run"),
)  # fmt: skip
