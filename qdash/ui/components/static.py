"""CSS and JavaScript of the page, read from qdash/ui/static."""

from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"


def css() -> str:
    """The whole style sheet: the files of qdash/ui/static/css in the order of their names."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((STATIC / "css").glob("*.css")))


def script(name: str) -> str:
    """One script; those of custom components run with `element`, `props`, `trigger`, `upload` and `watch` in scope (gr.HTML)."""
    return (STATIC / "js" / f"{name}.js").read_text(encoding="utf-8")
