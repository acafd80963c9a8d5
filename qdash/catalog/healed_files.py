"""What a healed version of a checkpoint is made of: files in a folder whose name begins with the key of its scheme."""

WEIGHTS = "weights.safetensors"
"""The floats of every layer that was trained, before they are rounded, (out, in), by path."""
REPORT = "report.json"
"""A `HealReport`."""
STATE = "state.safetensors"
"""What a training that was stopped goes on from."""
