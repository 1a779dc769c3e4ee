"""The captions of the report render, for everything that the papers declare."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from camp.report.declarations import by_name, load_papers

from .conftest import PAPERS

FOLDER = Path(__file__).resolve().parents[2] / "report"
DECLARED = load_papers(PAPERS)
TABLES = by_name(DECLARED.values(), "tables")
FIGURES = by_name(DECLARED.values(), "figures")
# caption and the wildcards of the rule that uses it
CASES = [
    *(("table", {"name": name}) for name in TABLES),
    *(
        ("figure", {"name": name} | ({"task": "lips-10"} if figure.covers == "task" else {}))
        for name, (_, figure) in FIGURES.items()
    ),
    *(("scoreboard", {"paper": name}) for name, paper in DECLARED.items() if paper.own_numbers),
]


@pytest.mark.parametrize(("caption", "wildcards"), CASES)
def test_caption_renders(caption, wildcards):
    jinja2 = pytest.importorskip("jinja2")
    publish_parts = pytest.importorskip("docutils.core").publish_parts
    snakemake = SimpleNamespace(
        wildcards=_Wildcards(**wildcards),
        config={
            "scale": "quick",
            "data": "generated (GFN-xTB)",
            "products": {
                name: {"heading": one.heading, "caption": one.caption, "where": one.where}
                for name, (_, one) in (TABLES | FIGURES).items()
            },
            "papers": {name: paper.label for name, paper in DECLARED.items()},
        },
    )
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (FOLDER / f"{caption}.rst").read_text(encoding="utf-8")
    text = environment.from_string(source).render(snakemake=snakemake)
    # halt_level 2: a warning of docutils is an error here
    html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert "<strong>" in html.splitlines()[0]
    assert "<blockquote>" not in html
    assert "quick" in html
    if "task" in wildcards:
        assert "lips-10" in html


class _Wildcards(SimpleNamespace):
    """As Snakemake's: attributes, and ``get`` of one that may not be there."""

    def get(self, name):
        return getattr(self, name, None)
