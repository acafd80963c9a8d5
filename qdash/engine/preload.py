"""Imported once by the process that workers are forked from, so that a worker starts in milliseconds instead of seconds.

A fork copies one thread and no GPU context. So nothing here may start threads or touch CUDA: torch's thread pools start with the first
computation, in the child (numpy's start on import, and know about forks); whether there is a GPU is asked of NVML; and bitsandbytes, which
opens the GPU when it is imported, is left to the child if there is one.
"""

import gc
import importlib
import os

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # workers read local files only
    "TOKENIZERS_PARALLELISM": "false",  # one prompt at a time; its threads would not survive a fork, and it warns of that
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN")

MODULES = (
    "qdash.engine.worker",
    "qdash.engine.schemes.simulated",
    # What from_pretrained imports when it first meets a model: the bundled one, then those of the catalogue.
    "transformers.integrations.accelerate",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.processing_auto",
    "transformers.models.siglip.modeling_siglip",
    "transformers.models.siglip.image_processing_siglip",
    "transformers.models.llava.modeling_llava",
    "transformers.models.llava.processing_llava",
    "transformers.models.qwen3.modeling_qwen3",
    "transformers.models.llama.modeling_llama",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.clip.image_processing_clip",
    "transformers.models.fast_vlm.modeling_fast_vlm",
    "transformers.models.timm_wrapper.modeling_timm_wrapper",
    "transformers.models.idefics3.modeling_idefics3",
    "transformers.models.idefics3.processing_idefics3",
    "transformers.models.qwen3_vl.modeling_qwen3_vl",
    "transformers.models.qwen3_vl.processing_qwen3_vl",
    "transformers.models.bloom.modeling_bloom",
)


def preload() -> None:
    """Import all that workers will need. A module that is missing is left for the worker to report."""
    os.environ.update(ENVIRONMENT)
    for name in SECRETS:
        os.environ.pop(name, None)
    for module in MODULES:
        _import(module)
    if not importlib.import_module("torch").cuda.is_available():
        _import("qdash.engine.schemes.bitsandbytes")
    # Libraries stay. A search for garbage, which every load ends with, need not walk over them, nor copy their pages into each worker.
    gc.collect()
    gc.freeze()


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError:
        # Another version of transformers, or a package that is not installed: the worker says so if it matters.
        return


preload()
