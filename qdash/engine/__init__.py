"""Where torch lives: loading a variant, asking it, timing it, weighing it. Knows nothing of pages, processes or queues.

bitsandbytes writes to the log from inside its kernels on a CPU. Both messages are silenced here, by name and before it is imported,
because each would be wrong or harmful in a measurement:

- `autograd._functions` says for every call of every int8 layer that inputs are cast to float16; a line per layer and token is what
  would be measured, and LLM.int8() rounds activations by design.
- `backends.cpu.ops` says on import that a faster kernel could be downloaded from the hub; workers are offline and run no code from there.
"""

import logging

for _name in ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops"):
    logging.getLogger(_name).setLevel(logging.ERROR)
