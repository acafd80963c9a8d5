"""One file a family of schemes: the record of its parameters, all that can be said of it without torch, and how a row of it is written.

What a family does to a model is in the file of the same name in `qdash/engine/schemes`, which its `engine` names: these two halves are
apart because the page asks the first and may never load torch.
"""
