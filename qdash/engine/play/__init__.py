"""Breaking a model by hand: a working copy beside the original, changed and asked again at every move."""
