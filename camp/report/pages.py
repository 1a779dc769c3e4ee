"""A plain HTML page, readable by itself and inside the report; rows of CSV and of Markdown."""

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  margin: 1.5em; }
h1 { font-size: 1.25em; margin: 0 0 .4em; }
p { max-width: 62em; margin: .4em 0; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3em .7em; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
thead th { border-top: 2px solid; border-bottom: 1px solid; vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 2px solid; }
tbody th { font-weight: normal; }
small { color: #555; display: block; font-weight: normal; }
.ours { background: #eef5fa; }
.missing { color: #666; font-style: italic; font-size: .87em; min-width: 9em; }
.notes { font-size: .9em; }
"""


def page(title: str, body: str, style: str = "") -> str:
    """A whole page.

    :param body: HTML.
    :param style: further style rules.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{style}</style></head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; ``kind`` is its class."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def rows_to_csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """CSV text; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown_row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
