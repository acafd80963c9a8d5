"""CSS and JavaScript of the page, read from assets/."""

from qdash.catalog.models import ASSETS


def css() -> str:
    """The whole style sheet: the files of assets/css in the order of their names."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ASSETS / "css").glob("*.css")))


def script(name: str) -> str:
    """One script; those of custom components run with `element`, `props`, `trigger`, `upload` and `watch` in scope (gr.HTML)."""
    return (ASSETS / "js" / f"{name}.js").read_text(encoding="utf-8")
