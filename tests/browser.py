"""Pages as a headless Chromium shows them."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDTH = 1400
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # The page around the pages may look into them.
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--virtual-time-budget=4000",
    "--dump-dom",
)
_AROUND = """<!doctype html><meta charset="utf-8">
<script>
function look(frame) {
  setTimeout(() => {
    const page = frame.contentDocument, line = document.createElement("pre");
    const all = [page, ...[...page.querySelectorAll("iframe")].map(f => f.contentDocument)];
    const wider = all.map(one => one.documentElement.scrollWidth - one.documentElement.clientWidth);
    line.textContent = JSON.stringify({
      page: frame.getAttribute("src"),
      overflow: Math.max(...wider),
      broken: [...page.images].filter(image => !image.naturalWidth).map(image => image.src),
      text: all.map(one => one.body.innerText).join(" "),
    });
    document.body.append(line);
  }, 1000);
}
</script>
"""


NEEDED = "needs Chromium (Debian's chromium-headless-shell, or google-chrome)"


class Shown(NamedTuple):
    """A page in a window of WIDTH: by how many pixels it or a frame in it is wider than what is
    seen, which of its images cannot be shown, and its text with that of its frames.
    """

    overflow: int
    broken: list[str]
    text: str


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def show(pages: Sequence[Path], folder: Path) -> tuple[dict[Path, Shown], list[str]]:
    """Load pages from the disk; returns those that were loaded, and the errors on the console.

    :param folder: for the files of the browser.
    """
    browser = find_browser()
    assert browser, NEEDED
    frame = '<iframe src="{}" style="width: {}px; height: 1000px" onload="look(this)"></iframe>'
    around = folder / "around.html"
    frames = [frame.format(page.as_uri(), WIDTH) for page in pages]
    around.write_text("\n".join([_AROUND, *frames]), encoding="utf-8")
    command = [browser, *_OPTIONS, f"--user-data-dir={folder / 'profile'}", around.as_uri()]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    output, said = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    found = [json.loads(html.unescape(text)) for text in re.findall("<pre>(.*?)</pre>", output)]
    shown = {one.pop("page"): Shown(**one) for one in found}
    messages = re.findall(r":CONSOLE:\d+\] (.*)", said)
    errors = [text for text in messages if re.search(r"Uncaught|Error|Failed|Refused|net::", text)]
    return {page: shown[page.as_uri()] for page in pages if page.as_uri() in shown}, errors
