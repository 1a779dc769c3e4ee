"""The captions of the report render, and every table and figure kind has one."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from camp.report.figures import FIGURES
from camp.report.tables import LAYOUTS

FOLDER = Path(__file__).resolve().parents[2] / "report"
# caption and the wildcards of the rule that uses it
CASES = [
    *(("table", {"table": name}) for name in (*LAYOUTS, "speed")),
    ("predictions", {"kind": "parity", "task": "lips-10"}),
    ("predictions", {"kind": "errors", "task": "lips-10"}),
    ("training", {"task": "lips-10"}),
    *(("figure", {"figure": name}) for name in FIGURES),
    ("scoreboard", {}),
]


@pytest.mark.parametrize(("caption", "wildcards"), CASES)
def test_caption_renders(caption, wildcards):
    jinja2 = pytest.importorskip("jinja2")
    publish_parts = pytest.importorskip("docutils.core").publish_parts
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(**wildcards),
        config={"scale": "quick", "data": "generated (GFN-xTB)", "weights": "own"},
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    source = (FOLDER / f"{caption}.rst").read_text(encoding="utf-8")
    text = environment.from_string(source).render(snakemake=snakemake)
    # halt_level 2: a warning of docutils is an error here
    html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert "<strong>" in html.splitlines()[0]
    assert "<blockquote>" not in html
    assert "quick" in html
    if "task" in wildcards:
        assert "lips-10" in html
