"""Names of runs."""

import pytest

from camp.errors import InputError
from camp.settings import Run

from .conftest import PUBLISHED, names


def test_runs_are_named_by_architecture_and_seed_or_published(load):
    assert names(load(), "md17-ethanol") == ["camp-seed-1", "camp-seed-2"]
    assert names(load(PUBLISHED), "water") == ["camp-published"]


def test_a_run_is_found_by_its_name():
    for run in (Run("camp", "own", 12), Run("my-model", "published")):
        assert Run.parse(run.name) == run
    for name in ("seed-1", "camp-seed-", "camp-seed-x", "published", "camp"):
        with pytest.raises(InputError, match=f"'{name}' is no run"):
            Run.parse(name)
