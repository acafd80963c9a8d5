"""Numbers drawn from a distribution, always the same ones: a picture that changes has been changed by the person in front of it."""

import numpy as np
from numpy.typing import NDArray

COUNT = 2048
SPREAD = 0.05
"""Standard deviation; that of the weights of a layer with a few hundred inputs."""

_SEED = 20


def drawn() -> dict[str, NDArray[np.float32]]:
    """COUNT float32 numbers of each kind.

    normal: as weights mostly are. outliers: the same, four of them 8 to 12 standard deviations out. uniform: over ±3 standard deviations.
    skewed: a gamma distribution that begins just below zero, as activations do after the usual functions.
    """
    generator = np.random.default_rng(_SEED)
    normal = generator.normal(0.0, SPREAD, COUNT)
    outliers = normal.copy()
    outliers[generator.choice(COUNT, 4, replace=False)] = np.array([8.0, -9.0, 10.0, 12.0]) * SPREAD
    uniform = generator.uniform(-3 * SPREAD, 3 * SPREAD, COUNT)
    skewed = generator.gamma(2.0, SPREAD, COUNT) - 0.02
    named = {"normal": normal, "outliers": outliers, "uniform": uniform, "skewed": skewed}
    return {name: values.astype(np.float32) for name, values in named.items()}
