"""The documentation: it builds without a broken link, and what it tells people to type works."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


@pytest.mark.skipif(
    not (find_spec("mkdocs") and find_spec("material") and find_spec("mkdocstrings")),
    reason="mkdocs is not installed (pip install '.[docs]')",
)
def test_site_builds_without_broken_links_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img)[^>]*src=\"?https?:", text), page
        assert not re.findall(r"<link[^>]*rel=\"?stylesheet\"?[^>]*https?:", text), page


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(not find_spec("tblite"), reason="data are generated with tblite")
def test_first_training_runs_as_it_is_written(tmp_path):
    shutil.copy(DOCS / "first-training.yaml", tmp_path / "mine.yaml")
    (commands,) = blocks("first-training.md", "bash")
    camp = f"{sys.executable} -m camp "
    for line in commands.splitlines():
        subprocess.run(line.replace("camp ", camp, 1), shell=True, cwd=tmp_path, check=True)
    (program,) = blocks("first-training.md", "python")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
