"""`python -m qdash`, and the `qdash` that is installed: the command line."""

import sys


def main() -> int:
    """Run the command of this process's arguments; returns its exit status."""
    # Imported here, not above: worker processes import the main module of their parent again, and would load what it imports.
    try:
        from qdash import cli  # noqa: PLC0415 - see above

        return cli.main(sys.argv[1:])
    except KeyboardInterrupt:  # while it was still importing
        return 130


if __name__ == "__main__":
    sys.exit(main())
