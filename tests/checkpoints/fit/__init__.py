"""Memory at a length of context, against transformers' own classes."""
