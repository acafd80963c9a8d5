"""The modules that every worker needs. Importing them takes seconds, so the process that workers are forked from imports them first.

This module only names them, so that importing it is cheap.
"""

from qdash.catalog.families.simulated import SIMULATED

MODULES = (
    "qdash.engine.worker",
    SIMULATED.engine,
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
