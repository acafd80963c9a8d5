"""Draws a small world, trains the tiny vision-language model that qdash ships, and measures it."""
