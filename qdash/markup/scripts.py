"""The script that the page and the reports share."""

from importlib.resources import files


def save_picture_script() -> str:
    """JavaScript behind the buttons of `parts.html.jinja` that save a figure as a picture."""
    return files("qdash.markup").joinpath("save_picture.js").read_text(encoding="utf-8")
