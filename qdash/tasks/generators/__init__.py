"""What the bundled models learned from, told and drawn anew from a seed: stories for tiny-lm, questions about drawings for tiny-vlm.

Training them reads it, and so does healing them (see `qdash.runs.heal`). Nothing here is part of what they are measured on: stories of the
held-out part are skipped, and so are the seeds of held-out pictures.
"""
