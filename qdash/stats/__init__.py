"""Numbers about numbers: intervals and tests, from plain floats, with no other part of qdash in them."""
