"""When two results are the same; what repeats which step: tests/workflow/test_identity.py."""

import pytest

from camp.identity import code_hash, identity, imported

SETTINGS = {
    "title": "Water",
    "model": {"cutoff": 5.0, "note": "fast"},
    "steps": 10,
    "dtype": "float32",
}


def test_labels_are_no_settings():
    other = {**SETTINGS, "title": "Ice", "labels": {"data": "real"}, "note": "new"}
    other["model"] = {"cutoff": 5, "note": "slow"}
    assert identity(other) == identity(SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"dtype": "float64"},
        {"model": {"cutoff": 5.1}},
        {"more": 0},
        {"steps": True},
    ],
)
def test_every_other_setting_counts(change):
    assert identity({**SETTINGS, **change}) != identity(SETTINGS)


def test_inputs_count_by_their_content_and_order():
    found = [identity(SETTINGS, inputs=inputs) for inputs in ([], ["a"], ["a", "b"], ["b", "a"])]
    assert len(set(found)) == 4
    assert identity(SETTINGS, inputs=["a"]) == found[1]


def test_names_of_settings_are_in_no_order():
    assert identity(dict(reversed(SETTINGS.items()))) == identity(SETTINGS)


# --- code ----------------------------------------------------------------------------------------


def test_imports_inside_of_functions_count_and_those_for_types_do_not():
    assert "camp.potential.torchsim" in imported(["camp.md.benchmark"])
    assert "camp.potential.potential" not in imported(["camp"])
    assert imported(["camp.errors"]) == {"camp.errors"}


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ModuleNotFoundError, match=r"camp\.no_such_module"):
        imported(["camp.no_such_module"])


def test_models_outside_of_the_package_have_code_too(tmp_path, monkeypatch):
    """Of their own package and of this one, imported in whatever way."""
    package = tmp_path / "outside_of_camp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "network.py").write_text(
        "import numpy\nfrom . import layers\nfrom .radial import basis\n"
        "import camp.targets\nfrom camp.graph.edges import Edges\n"
    )
    (package / "layers.py").write_text("from ..outside_of_camp.radial import basis\n")
    (package / "radial.py").write_text("basis = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = {f"outside_of_camp.{name}" for name in ("network", "layers", "radial")}
    assert imported(["outside_of_camp.network"]) >= {*names, "camp.targets", "camp.graph.edges"}
    assert "numpy" not in imported(["outside_of_camp.network"])


def test_the_order_of_modules_is_no_matter():
    assert code_hash(["camp.files", "camp.errors"]) == code_hash(["camp.errors", "camp.files"])
