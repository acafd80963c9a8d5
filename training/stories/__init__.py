"""Writes short stories in English and Chinese, trains the tiny language model that qdash ships, and measures it."""
