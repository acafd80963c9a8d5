"""Saving a model that is in use, without changing it."""

import warnings
from pathlib import Path

from transformers import PreTrainedModel
from transformers.utils import logging

from qdash.engine.schemes import SchemeFamily


def save(model: PreTrainedModel, family: SchemeFamily, folder: Path) -> None:
    """`model.save_pretrained(folder)`; the model computes afterwards what it did before. Raises whatever that raises."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with family.as_saved(model), warnings.catch_warnings():
            # On a CPU transformers takes every model with a device map for one that is kept on disk in part.
            warnings.filterwarnings("ignore", message="Attempting to save a model with offloaded modules")
            try:
                model.save_pretrained(folder)
            except NotImplementedError:
                # A checkpoint that was quantized already: transformers 5.23 cannot rename its tensors back, and need not.
                model.save_pretrained(folder, save_original_format=False)
    finally:
        if shown:
            logging.enable_progress_bar()
