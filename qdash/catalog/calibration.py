"""What a model reads and writes to be calibrated: texts, questions about pictures, and how many texts of its own.

Numbers beside the texts, as the time that calibration takes is told before a model is loaded.
"""

TEXTS = (
    "What is the capital of France, and which river runs through it?",
    "Once upon a time there was a little girl named Lily who loved to play in the garden. One day she found",
    "如何用三句话解释什么是光合作用？",
    "def mean(values):\n    return sum(values) / len(values)\n\nWrite a test for this function.",
    "A train leaves at 14:35 and arrives at 17:10. How many minutes does the journey take? 17 · 60 + 10 − (14 · 60 + 35) =",
    "Die Vereinten Nationen wurden 1945 gegründet. Translate into English and name three of their agencies.",
)
QUESTIONS = (
    "What is in this picture? Describe it.",
    "这张图片中有什么？请描述一下。",
    "How many shapes are there, and which colours do they have?",
)
"""Of models that see: each about a picture of its own."""
DRAWINGS = 16
"""Further pictures that are asked about where inputs are looked at closely."""

OWN_TEXTS = 32
"""Texts that a model writes itself, side by side."""
OWN_LENGTH = 128  # tokens
ANSWER = 32  # tokens of its own to each question about a picture

MOST_STAGES = 8
"""In which layers are quantized one after the other, but for those split for memory; each reads all again, up to its own end."""


def range_passes(sees: bool) -> int:
    """Forward passes to measure the ranges of all layers' inputs."""
    return len(TEXTS) + (len(QUESTIONS) if sees else 0)


def moment_passes(sees: bool, alone: int = 0) -> int:
    """Forward passes to write and read what the moments of inputs are measured on; `alone`: of so many layers, each by itself.

    Before the first stage all is read once, to see in which order layers are called; a stage in the middle reads half of the model.
    """
    pictures = len(QUESTIONS) + DRAWINGS if sees else 0
    written, read = OWN_LENGTH + pictures * ANSWER, len(TEXTS) + pictures + OWN_TEXTS
    return written + read * (alone * 3 // 2 if alone else 1 + MOST_STAGES // 2)
