"""Pruning in steps with training between them: what is left learns to do without what became zero (see `qdash heal`).

A key names the share in percent, `prune-iterative-80`, and any from 1 to 99 makes a scheme. What was trained is kept for each checkpoint;
where there is nothing yet the scheme says how to make it.
"""

from qdash.catalog.families.pruning import IN_STEPS, PREFIX, PruningFamily, PruningParams, percent_of
from qdash.catalog.scheme import Scheme


class PrunedInStepsFamily(PruningFamily):
    """Small weights zeroed step by step, and those that are left trained after each, with the original as the teacher."""

    engine = "qdash.engine.schemes.pruned_in_steps"
    group = "Pruned and healed by training"
    needs_healing = True

    def unhealed(self, scheme: Scheme) -> str:
        """The same share at once."""
        return f"{PREFIX}global-{PruningParams.of(scheme).percent}"


PRUNED_IN_STEPS = PrunedInStepsFamily()


def is_pruned_in_steps(key: str) -> bool:
    """Whether `key` is meant as such a scheme."""
    return key.startswith(f"{PREFIX}{IN_STEPS}-")


def pruned_in_steps_scheme(key: str) -> Scheme:
    """The scheme that a key stands for; raises QdashError for a share that cannot be pruned."""
    percent = percent_of(key)
    return Scheme(
        key=f"{PREFIX}{IN_STEPS}-{percent}", label=f"Zeroed in steps, {percent}%", family=PRUNED_IN_STEPS, kind="simulated", bits=None,
        activation_bits=None,
        about=f"The {percent}% of all linear layers' weights that are nearest to zero become zeros in five steps, and “qdash heal” trains "
        "those that are left after each, with the original as teacher. Zeros are stored and multiplied, so nothing gets smaller or faster.",
        params=PruningParams("global", percent),
    )  # fmt: skip
