"""What a visitor of a public page is told to do is something that a visitor can do; the owner of a server is told what to change."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdash.catalog.schemes import SCHEMES, unavailable
from qdash.checkpoints.disk import check_disk
from qdash.checkpoints.published import NEEDS
from qdash.errors import CHOOSE_ANOTHER, INSTALL_AGAIN, QdashError
from qdash.machine import Machine, this_machine
from qdash.remedies import CHOOSE_ANOTHER_MODEL, files_are_the_servers
from qdash.settings import settings

PACKAGE = Path(__file__).parents[1] / "qdash"
FOR_OWNERS = re.compile(
    r"QDASH_[A-Z]|\bHF_[A-Z]|TMPDIR|(?i:\binstall\b|hf auth|terminal where|server's log|qdash doctor|\brestart\b|sqlite3 "
    r"|permissions|free some space)"
)
# What only owners read: the command line, saving and healing, which public pages do not offer, and why a server does not start or does not
# answer to a name.
# `machine.remedy_for` is tried below.
OWNERS_READ = {
    "settings.py", "machine.py", "execution/__init__.py", "ui/serve.py", "ui/start.py", "ui/server/address.py", "ui/server/same_origin.py",
    "checkpoints/new_folder.py", "checkpoints/upload.py", "checkpoints/uploading.py", "runs/healing_passages.py",
}  # fmt: skip
# Never part of a sentence: names of variables, a command of uv, and a pattern that reads the messages of libraries.
NO_SENTENCE = re.compile(r"[A-Z_]+|install|pip install .*\\w.*")


def _sentences(tree: ast.AST, to_owners: bool, named: set[str]) -> Iterator[str]:
    """Texts of a module that visitors may read.

    Not: an `owner=…`, what is assigned to a name that is given as one, a `Need`, whose remedy depends on where it is, and an error of the
    kind “checkpoint”, whose remedy `files_are_the_servers` replaces.
    """
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.Constant) and isinstance(child.value, str) and not to_owners:
            yield child.value
        yield from _sentences(child, to_owners or _is_to_owners(child, named), named)


def _is_to_owners(node: ast.AST, named: set[str]) -> bool:
    match node:
        case ast.keyword():
            return node.arg == "owner"
        case ast.Assign():
            return any(getattr(target, "id", None) in named for target in node.targets)
        case ast.Call():
            return getattr(node.func, "id", None) == "Need" or any(getattr(given, "value", None) == "checkpoint" for given in node.args)
    return False


def _for_visitors(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    owners = [word.value for call in ast.walk(tree) if isinstance(call, ast.Call) for word in call.keywords if word.arg == "owner"]
    named = {name.id for value in owners for name in ast.walk(value) if isinstance(name, ast.Name)}
    return [text for text in _sentences(tree, False, named) if FOR_OWNERS.search(text) and not NO_SENTENCE.fullmatch(text)]


def test_the_source_has_no_remedy_for_owners_that_visitors_would_read() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in OWNERS_READ]
    found = {str(path.relative_to(PACKAGE)): _for_visitors(path) for path in files if PACKAGE / "cli" not in path.parents}
    assert {path: texts for path, texts in found.items() if texts} == {"errors.py": [INSTALL_AGAIN]}


def test_a_remedy_for_owners_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""Set QDASH_X."""\nfree = "Set QDASH_A."\nsaid = by_reader(owner=free, visitor="Set QDASH_B.")\nraise E(f"{x} restart")\n'
    )
    assert _for_visitors(path) == ["Set QDASH_B.", " restart"]


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QDASH_PUBLIC", "1")
    settings.cache_clear()
    yield
    settings.cache_clear()


def _remedies(bare: Machine) -> Iterator[str]:
    """What to do about each scheme, published method and device that `bare` has not got."""
    for scheme in SCHEMES.values():
        problem = unavailable(scheme, bare)
        if problem is not None:
            yield problem.remedy
    for method in NEEDS.values():
        yield from (need.remedy_in(bare) for need in method)
    for problem in ("no NVIDIA driver", "build for CPUs only", "too old", "hides every GPU"):
        with pytest.raises(QdashError) as caught:
            bare.model_copy(update={"problems": (problem,)}).resolve("cuda")
        yield caught.value.remedy


def test_what_is_not_installed_is_installed_by_owners_and_avoided_by_visitors(monkeypatch: pytest.MonkeyPatch, public: None) -> None:
    bare = this_machine().model_copy(update={"accelerators": (), "device": "cpu", "packages": {}})
    visitors = list(_remedies(bare))
    assert CHOOSE_ANOTHER in visitors and not [text for text in visitors if FOR_OWNERS.search(text)]
    monkeypatch.setenv("QDASH_PUBLIC", "0")
    settings.cache_clear()
    assert sum("pip install" in text for text in _remedies(bare)) > 5


def test_a_model_s_files_are_the_server_s(public: None, tmp_path: Path) -> None:
    with pytest.raises(QdashError) as caught, files_are_the_servers():
        raise QdashError("There is no tokenizer.", "Save its tokenizer.", "checkpoint")
    assert (caught.value.message, caught.value.remedy) == ("There is no tokenizer.", CHOOSE_ANOTHER_MODEL)
    with pytest.raises(QdashError, match="Shorten it") as caught, files_are_the_servers():
        raise QdashError("The question is too long.", "Shorten it.")
    with pytest.raises(QdashError) as caught:
        check_disk("tiny", 2**62, tmp_path, "QDASH_CACHE_DIR")
    assert str(tmp_path) not in str(caught.value) and caught.value.remedy == "Choose a smaller model."


def test_owners_are_told_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(QdashError, match="Save its tokenizer"), files_are_the_servers():
        raise QdashError("There is no tokenizer.", "Save its tokenizer.", "checkpoint")
    with pytest.raises(QdashError, match=f"(?s){re.escape(str(tmp_path))}.*set QDASH_CACHE_DIR"):
        check_disk("tiny", 2**62, tmp_path, "QDASH_CACHE_DIR")
