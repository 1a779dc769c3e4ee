"""The page that compares this package with others: what it claims, it names a place for."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "comparison.md"
TEXT = PAGE.read_text(encoding="utf-8")
TABLE = [line for line in TEXT.splitlines() if line.startswith("|")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE[2:]]
ADDRESSES = dict(re.findall(r"^\[([\w-]+)\]: (https://\S+)$", TEXT, re.MULTILINE))


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_a_row_claims_has_a_place(row):
    _, ours, *others = row
    assert len(others) == 2
    places = [
        *(REPOSITORY / path for path in re.findall(r"`(tests/[^`]+)`", ours)),
        *(PAGE.parent / page for page in re.findall(r"\]\(([^)#]+)", ours)),
    ]
    assert all(place.exists() for place in places), places
    assert places or not ours.startswith("yes")
    for cell in others:
        links = re.findall(r"\]\[([\w-]+)\]", cell)
        assert links or cell == "no", cell
        assert all(link in ADDRESSES for link in links)


def test_no_address_is_left_over():
    assert set(re.findall(r"\]\[([\w-]+)\]", TEXT)) == ADDRESSES.keys()
