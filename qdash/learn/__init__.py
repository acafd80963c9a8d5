"""The arithmetic of the Learn tab: rows of numbers, real or drawn, and the ways to quantize them. Pages import it, so it needs numpy at
most.
"""
