"""HTML for the page and for reports, from one Jinja environment whose templates escape everything they are given.

A package of its own, below both: `present` has the words that a terminal shares, `report` must not know of the page.
"""

from qdash.markup.colours import bits_class, colour_classes
from qdash.markup.environment import Macros, template
from qdash.markup.scripts import save_picture_script

__all__ = ["Macros", "bits_class", "colour_classes", "parts", "save_picture_script", "template"]

parts = Macros("qdash.markup.parts")
"""The macros that every page and report uses."""
