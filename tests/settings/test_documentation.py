"""The tables of config/README.md."""

import re
from itertools import chain

from camp.settings import commands, scale, sections, simulation, training
from camp.settings.base import Settings
from camp.settings.documentation import with_tables

from .conftest import CONFIG


def test_tables_of_keys_are_current():
    """``python -m camp.settings.documentation`` writes them."""
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    assert with_tables(text) == text


def test_every_section_is_explained():
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"<!-- keys of (\w+) -->", text))
    # What others are made from, and what only a saved model has.
    inner = {"Settings", "ModelSettings", "Source", "TrainingJob", "TaskModelByRecipe"}
    known = [vars(module).values() for module in (sections, training, simulation, scale, commands)]
    assert explained - {"models"} == {
        one.__name__
        for one in chain.from_iterable(known)
        if isinstance(one, type) and issubclass(one, Settings) and one.__name__ not in inner
    }
