"""Jinja for the chat templates: what becomes of a question that the model was never taught to read.

In letters of other languages, or in none at all, a question is only bytes to a model of this size, and it says something in whatever
language. Such a question is given as one that both models refuse in English. The rule is the one by which the page warns of it.
"""

REFUSED = "Who are you?"


def readable(text: str) -> str:
    """Jinja that prints the variable `text`, or `REFUSED` unless most of its letters are Latin or Chinese; sums need no letters."""
    return (
        "{% set seen = namespace(letters=0, known=0, digits=0) %}"
        f"{{% for sign in {text} %}}"
        "{% if sign.isalpha() %}{% set seen.letters = seen.letters + 1 %}"
        "{% if sign <= 'z' or '一' <= sign <= '鿿' %}{% set seen.known = seen.known + 1 %}{% endif %}"
        "{% elif sign.isdigit() %}{% set seen.digits = 1 %}{% endif %}"
        "{% endfor %}"
        f"{{{{ '{REFUSED}' if {text} and 2 * seen.known <= seen.letters and (seen.letters or not seen.digits) else {text} }}}}"
    )
