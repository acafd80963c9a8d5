"""Linear layers whose weight other code multiplies by itself: Mamba's `dt_proj`, absorbed projections of latent attention, heads of MTP.

Such code knows plain floats only. A quantized weight would break it, or be taken for numbers that it is not; so these layers stay as they
are under every scheme. They are found by reading the source of each module's class, which covers branches that one forward pass might not
take, such as those of a GPU; branches that the module's own settings close, and those for training, are left out.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from operator import eq, ge, gt, le, lt, ne
from pathlib import Path
from typing import Any, TypeGuard

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

_COMPARISONS: dict[type, Any] = {ast.Eq: eq, ast.NotEq: ne, ast.Gt: gt, ast.GtE: ge, ast.Lt: lt, ast.LtE: le}

# Of a weight that is quantized these can still be asked.
_ABOUT = {"dtype", "device", "shape", "ndim", "size", "dim", "is_meta", "requires_grad", "numel"}


LINEAR = (nn.Linear, Conv1D)


def read_outside(model: nn.Module, kinds: tuple[type[nn.Module], ...] = LINEAR) -> dict[str, str]:
    """Paths of the layers of `model`, of these `kinds`, whose weight is read by another module's code → why they are left as they are."""
    found: dict[str, str] = {}
    for path, module in model.named_modules():
        if not module._modules:
            continue  # a layer without parts can read no weight but its own
        for child in {read for method in _methods(type(module)) for read in _reads(method, module)}:
            for name in _layers(module, child, kinds):
                found[f"{path}.{name}" if path else name] = f"{type(module).__name__} reads its weight itself, as plain floats"
    return found


def _layers(module: nn.Module, child: str, kinds: tuple[type[nn.Module], ...]) -> Iterator[str]:
    """Names of the layers that `child` of `module` is, or that a list by this name holds."""
    part = module
    for step in child.split("."):
        part = getattr(part, step, None)
        if not isinstance(part, nn.Module):
            return
    own = part.named_children() if isinstance(part, nn.ModuleList | nn.ModuleDict) else [("", part)]
    for name, layer in own:
        if type(layer) in kinds:
            yield f"{child}.{name}" if name else child


@cache
def _methods(kind: type[nn.Module]) -> tuple[ast.FunctionDef, ...]:
    """The methods of a module class, its own before inherited ones, in which some weight is read; those that make weights are left out."""
    methods: dict[str, ast.FunctionDef] = {}
    for parent in kind.__mro__:
        if parent not in (nn.Module, PreTrainedModel) and issubclass(parent, nn.Module):
            methods = {method.name: method for method in _body(parent)} | methods
    return tuple(method for method in methods.values() if not _makes_weights(method.name) and any(map(_is_weight, ast.walk(method))))


def _body(kind: type) -> list[ast.FunctionDef]:
    found = _classes(_file(kind)).get(kind.__name__)
    return [part for part in found.body if isinstance(part, ast.FunctionDef)] if found is not None else []


def _file(kind: type) -> str:
    try:
        return inspect.getsourcefile(kind) or ""
    except TypeError:  # built in, or made where there is no module
        return ""


@cache
def _classes(file: str) -> dict[str, ast.ClassDef]:
    """The classes of a source file by name, none without one. Read once: `inspect.getsource` would parse the whole file for each class."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):  # made at run time, or without its source
        return {}
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def _makes_weights(method: str) -> bool:
    return method == "__init__" or any(word in method for word in ("init_weights", "reset_param", "tie_weights", "load_", "set_", "resize"))


def _reads(node: ast.AST, module: nn.Module) -> Iterator[str]:
    """Attributes of `module`, such as "dt_proj" or "mixer.out_proj", whose `weight` is read in `node`, in branches that it can take."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.If):
            taken = _truth(part.test, module)
            yield from _reads(part.test, module)
            for inner in [*(part.body if taken is not False else ()), *(part.orelse if taken is not True else ())]:
                yield from _reads(ast.Module([inner], []), module)
            continue
        asked = part.value if isinstance(part, ast.Attribute) and part.attr in _ABOUT else part.args[0] if _is_question(part) else None
        if asked is not None and _is_weight(asked):
            continue
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Load) and _is_weight(part):
            yield _path(part.value)
        yield from _reads(part, module)


def _truth(test: ast.expr, module: nn.Module) -> bool | None:
    """Whether a condition holds for `module` while it answers, as far as the module's own attributes decide it; None if they do not."""
    if isinstance(test, ast.BoolOp):
        parts = [_truth(part, module) for part in test.values]
        deciding = isinstance(test.op, ast.Or)
        return deciding if deciding in parts else None if None in parts else not deciding
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand, module)
        return None if inner is None else not inner
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _COMPARISONS:
        sides = [_constant(test.left, module), _constant(test.comparators[0], module)]
        both = all(isinstance(side, int | float | str) for side in sides)
        return bool(_COMPARISONS[type(test.ops[0])](*sides)) if both and type(sides[0]) is type(sides[1]) else None
    value = _constant(test, module)
    return value if isinstance(value, bool) else None


def _constant(node: ast.expr, module: nn.Module) -> object:
    """The value of a constant or of a plain attribute of the module."""
    if isinstance(node, ast.Constant):
        return node.value
    name = _path(node) if isinstance(node, ast.Attribute) else ""
    return False if name == "training" else module.__dict__.get(name)


def _is_question(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "hasattr", "type")
        and bool(node.args)
    )


def _is_weight(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "weight" and bool(_path(node.value))


def _path(node: ast.AST) -> str:
    """“mixer.out_proj” of `self.mixer.out_proj` and of `self.mixer.out_proj[i]`; empty for anything else."""
    steps: list[str] = []
    while not (isinstance(node, ast.Name) and node.id == "self"):
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Attribute):
            steps.append(node.attr)
            node = node.value
        else:
            return ""
    return ".".join(reversed(steps))
