"""The documentation: it builds without a broken link, and what it tells people to type works."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import ase.io
import numpy as np
import pytest

from tests.browser import NEEDED, find_browser, show

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built without a warning."""
    if not (find_spec("mkdocs") and find_spec("material") and find_spec("mkdocstrings")):
        pytest.skip("mkdocs is not installed (pip install '.[docs]')")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_site_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img)[^>]*src=\"?https?:", text), page
        assert not re.findall(r"<link[^>]*rel=\"?stylesheet\"?[^>]*https?:", text), page


class Targets(HTMLParser):
    """What a page links to or shows, and the names of its places."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = {""}
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def test_links_and_images_of_the_site_lead_somewhere(site):
    # 404.html is shown at any address, so its links are absolute.
    pages = {page: Targets(page) for page in site.rglob("*.html") if page.name != "404.html"}
    for page, targets in pages.items():
        for link in targets.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            file = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert file.is_file(), f"{page}: {link}"
            if file in pages:
                assert unquote(address.fragment) in pages[file].places, f"{page}: {link}"


@pytest.mark.skipif(find_browser() is None, reason=NEEDED)
def test_pages_in_a_browser(site, tmp_path):
    """They load without an error, with all images, and fit into the window."""
    pages = sorted(site.rglob("*.html"))
    shown, errors = show(pages, tmp_path)
    assert not errors
    assert set(shown) == set(pages)
    for page, one in shown.items():
        assert one.overflow == 0, page
        assert not one.broken, page
        assert "CAMP-repro" in one.text, page


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
    # Of fixed numbers of frames and steps, far below the errors of a model that predicts no force.
    metrics = json.loads((tmp_path / "errors.json").read_text())["metrics"]
    scale = mean_force(tmp_path / "ethanol.xyz.gz", tmp_path / "split.json")
    assert metrics["forces_mae"] < 0.4 * scale
    (program,) = blocks("first-training.md", "python")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def mean_force(data: Path, split: Path) -> float:
    """The mean magnitude of the components of the forces on test frames, eV/Å."""
    frames = ase.io.read(data, ":")
    test = json.loads(split.read_text())["test"]
    return float(np.mean([np.abs(frames[index].get_forces()).mean() for index in test]))
