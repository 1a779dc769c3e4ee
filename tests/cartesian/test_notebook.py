"""The notebook about natural tensors runs, and says of silicon what is known of it."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "tensors.ipynb"


def test_the_notebook_runs(capsys):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    printed = capsys.readouterr().out
    # Hopcroft, Nix and Kenny, J. Microelectromech. Syst. 19, 229 (2010).
    for direction, modulus in (("100", 130), ("110", 169), ("111", 188)):
        assert f"E[{direction}] = {modulus} GPa" in printed
    assert names["shear"] == pytest.approx((165.7 - 63.9 + 3 * 79.6) / 5)
