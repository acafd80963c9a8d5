"""`python -m qdash`: the command line."""

# Nothing may be imported outside this condition: worker processes import the main module of their parent again, and would load and
# run what stands here.
if __name__ == "__main__":
    import sys  # noqa: PLC0415

    try:
        from qdash.cli import app  # noqa: PLC0415

        app()
    except KeyboardInterrupt:  # while it was still importing
        sys.exit(130)
