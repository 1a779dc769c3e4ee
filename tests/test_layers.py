"""Imports point downwards, and nobody but a model's own folder knows the model."""

import ast
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest

from camp.settings.architectures import find_architecture
from camp.settings.base import ModelSettings

PACKAGE = Path(__file__).resolve().parents[1] / "camp"
# From the top down; what shares a line may import each other.
LAYERS = [
    ["camp.__main__"],
    ["camp.cli"],
    ["camp.workflow"],
    ["camp.report"],
    ["camp.md", "camp.training", "camp.evaluation", "camp.lammps"],
    ["camp.testing"],
    ["camp.data"],
    ["camp.potential"],
    ["camp.models"],
    ["camp.runtime"],
    ["camp.graph"],
    ["camp.settings"],
    ["camp.targets"],
    ["camp.cartesian"],
    ["camp.identity"],
    ["camp.files", "camp.memory", "camp.process"],
    ["camp.errors"],
]
# The package itself: its version, and names that are imported on first use.
PUBLIC = "camp"
# Where a rank is a rank, whatever model has it.
MATHEMATICS = ("camp.cartesian", "camp.runtime")


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, at its top, inside of functions or for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("camp"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module and node.module.partition(".")[0] == "camp":
                for alias in node.names:
                    inner = PACKAGE.parent.joinpath(*node.module.split("."), alias.name)
                    is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                    yield f"{node.module}.{alias.name}" if is_module else node.module


def layer_of(module: str) -> int:
    for depth, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return depth
    raise AssertionError(f"{module} is in no layer; tests/test_layers.py lists them")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_downwards(path):
    module = module_of(path)
    for name in set(imports_of(path)) - {PUBLIC}:
        assert layer_of(module) <= layer_of(name), f"{module} imports {name} from above"


# --- models --------------------------------------------------------------------------------------

MODELS = sorted(path for path in (PACKAGE / "models").iterdir() if (path / "__init__.py").exists())


def owner_of(path: Path) -> str | None:
    """The model in whose folder a file lies."""
    inside = path.relative_to(PACKAGE).parts
    return inside[1] if inside[0] == "models" and len(inside) > 2 else None


def named_by(path: Path) -> set[str]:
    """Every name, attribute, keyword and text in a file that is an identifier."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_nothing_outside_of_its_folder_imports_a_model(folder):
    for path in FILES:
        if owner_of(path) != folder.name:
            foreign = {n for n in imports_of(path) if n.startswith(f"camp.models.{folder.name}")}
            assert not foreign, f"{module_of(path)} imports {foreign}"


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_nothing_outside_of_the_models_names_their_hyperparameters(folder):
    """By the names that are no word of the field, such as ``layers``."""
    of_all = {*ModelSettings.model_fields, *signature(ModelSettings.fitted).parameters}
    hyperparameters = find_architecture(folder.name).settings.model_fields
    own = {name for name in hyperparameters if "_" in name} - of_all
    for path in FILES:
        if owner_of(path) is None and not module_of(path).startswith(MATHEMATICS):
            assert not own & named_by(path), f"{module_of(path)} names {own & named_by(path)}"
