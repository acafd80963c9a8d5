"""Where torch lives: loading a variant, asking it, timing it, measuring its weights. It has no notion of pages, processes or queues.

What the packages of schemes write to the log from inside their kernels is silenced here, before they are imported.
"""

import logging

from qdash.catalog.schemes import families

for _family in families():
    for _name in _family.silenced:
        logging.getLogger(_name).setLevel(logging.ERROR)
