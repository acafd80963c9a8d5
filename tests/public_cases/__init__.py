"""Inputs of kinds that people reported of tools like this one, each tried from the command line's view."""
