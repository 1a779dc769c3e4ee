"""When two results are the same, so that nothing is computed again and nothing passes for what it
is not: the same settings without labels, inputs of the same content, the same code.

The code of a module is itself and all that it imports within its package, directly or not, at the
top or inside of a function; read from the sources, so nothing is imported to find out. Comments,
docstrings and the version number are not code. A package's own ``__init__`` counts where something
is imported from it.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Keys of settings that only people read.
LABELS = frozenset({"title", "note", "labels"})
# Names of modules that are no code.
_NO_CODE = frozenset({"__version__", "__all__"})
_NATIVE = (".cpp", ".hpp")
# A string or a character is left as it is, so that no comment begins in it.
_NATIVE_TOKEN = re.compile(
    r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*|/\*.*?\*/""", re.DOTALL
)


def identity(
    settings: Mapping[str, Any], *, inputs: Iterable[str] = (), code: Iterable[str] = ()
) -> str:
    """The identity of a result: equal for two of them that may stand for each other.

    :param settings: values as in JSON; what stands under a key of :data:`LABELS`, at any depth, is
        left out, and 1 is the same number as 1.0.
    :param inputs: hashes of the contents of the inputs, in their order.
    :param code: names of the modules that compute it.
    :return: SHA-256, hexadecimal.
    :raises ModuleNotFoundError: a module of that name is not there.
    """
    content = [_without_labels(settings), list(inputs), code_hash(code)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def code_hash(modules: Iterable[str]) -> str:
    """SHA-256 of the code of modules and of all that they import.

    :raises ModuleNotFoundError: a module of that name is not there.
    """
    return _code_hash(frozenset(modules))


@cache
def _code_hash(modules: frozenset[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(imported(modules)):
        # Without code a module cannot change anything.
        if text := _source(name).code:
            digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()


def imported(modules: Iterable[str]) -> set[str]:
    """Names of these modules and of all that they import, of their own package or of camp.

    :raises ModuleNotFoundError: a module of that name is not there.
    """
    waiting, found = list(modules), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _source(name).imports
    return found


class _Source:
    """What a module says: its code in a normal form, and the names of what it imports."""

    def __init__(self, name: str, path: Path):
        tree = _WithoutRemarks().visit(ast.parse(path.read_bytes()))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.imports = sorted(set(_imports(tree, package)))
        parts = ["".join(_normal_form(node)) for node in tree.body]
        if any(_names_native_file(node) for node in ast.walk(tree)):
            files = (file for kind in _NATIVE for file in path.parent.glob(f"*{kind}"))
            for file in sorted(files):
                if text := _native_code(file.read_text(encoding="utf-8")):
                    parts += [file.name, text]
        self.code = "\n".join(parts)


@cache
def _source(name: str) -> _Source:
    path = _path(name)
    if path is None:
        raise ModuleNotFoundError(f"no sources of a module {name!r}", name=name)
    return _Source(name, path)


@cache
def _path(name: str) -> Path | None:
    """The file of a module; None where there is none."""
    top, *inner = name.split(".")
    spec = find_spec(top)
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    if folders is None:
        return Path(spec.origin) if spec.origin and not inner else None
    places = (Path(folder, *inner) for folder in folders)
    files = (
        file
        for place in places
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py"))
    )
    return next((file for file in files if file.is_file()), None)


class _WithoutRemarks(ast.NodeTransformer):
    """Drops what is never run: docstrings, blocks for type checkers, names of no code."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        checks_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if checks_types else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        return None if names & _NO_CODE else self.generic_visit(node)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Names of the modules that are imported anywhere in a module of a package, as far as they are
    of its own top package or of camp.
    """
    followed = {name.partition(".")[0] for name in (package, __name__)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name for name in names if name.partition(".")[0] in followed)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            home = ".".join([*above, *filter(None, [node.module])])
            if home.partition(".")[0] in followed:
                for name in {alias.name for alias in node.names} - _NO_CODE:
                    yield f"{home}.{name}" if _path(f"{home}.{name}") else home


def _normal_form(node: ast.AST) -> Iterator[str]:
    """A syntax tree as text, without places and empty fields, which differ between Pythons."""
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        values = value if isinstance(value, list) else [value]
        if all(one is None for one in values) and not isinstance(node, ast.Constant):
            continue
        yield f" {name}="
        for one in values:
            yield from _normal_form(one) if isinstance(one, ast.AST) else (repr(one), ",")
    yield ")"


def _names_native_file(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.endswith(_NATIVE)
    )


def _native_code(text: str) -> str:
    """C++ without comments, empty lines and white space at the ends of lines."""
    bare = _NATIVE_TOKEN.sub(lambda match: match[1] or " ", text)
    return "\n".join(line.strip() for line in bare.splitlines() if line.strip())


def _without_labels(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_labels(item) for key, item in value.items() if key not in LABELS}
    if isinstance(value, list | tuple):
        return [_without_labels(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
