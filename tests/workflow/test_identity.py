"""What is the same result: every sentence of camp/identity.py, on copies of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import camp
from camp.identity import imported
from camp.workflow.identity import STEPS

PACKAGE = Path(camp.__file__).parent
# A model outside of the package, with all that an architecture may have.
TOY = {
    "__init__.py": '''
        """A model for tests."""
        from camp.settings.architectures import Architecture
        from camp.settings.base import ModelSettings
        ARCHITECTURE = Architecture(
            name="toy", label="Toy", settings=ModelSettings, network="camp.models.toy.network:Net",
            published=("camp.models.toy.published:read",), runtime="camp.models.toy.runtime:fast",
        )
        ''',
    "network.py": "from camp.models.toy.layers import SIZE\n\nclass Net:\n    size = SIZE\n",
    "layers.py": "SIZE = 3\n",
    "published.py": "def read(path, options):\n    return None\n",
    "runtime.py": "from pathlib import Path\n\nSOURCE = Path(__file__).with_name('toy.cpp')\n",
    "toy.cpp": '// A comment.\nconst char *t = "//"; /* another */\nint f(int x) { return 2 * x; }',
}
REPORT = """
import json
from camp.md.code import simulation_code
from camp.settings.architectures import code_of
from camp.report.declarations import FigureDeclaration
from camp.workflow.identity import STEPS, of_figure, of_step
steps = {name: of_step(name) for name in STEPS}
for engine in ("ase", "torchsim"):
    steps[f"simulate with {engine}"] = of_step("simulate", code=simulation_code(engine, "toy"))
steps["train toy"] = of_step("train", code=code_of("toy"))
steps["import toy"] = of_step("import", code=code_of("toy", reading=True))
for name in ("lips", "water"):
    drawn = FigureDeclaration(name="", caption="", draw=f"camp.report.{name}:draw")
    steps[f"figure of {name}"] = of_figure(drawn)
print(json.dumps(steps))
"""


def identities(root: Path) -> dict[str, str]:
    """The identity of every step by the sources of a copy, with that of the model ``toy``."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", REPORT]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A copy of the package with a toy model in it."""
    root = tmp_path_factory.mktemp("original")
    shutil.copytree(PACKAGE, root / "camp", ignore=shutil.ignore_patterns("__pycache__"))
    folder = root / "camp" / "models" / "toy"
    folder.mkdir()
    for name, text in TOY.items():
        lines = text.splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        (folder / name).write_text("\n".join(line[indent:] for line in lines) + "\n")
    return root


@pytest.fixture(scope="module")
def before(original) -> dict[str, str]:
    return identities(original)


@pytest.fixture
def changed_by(original, before, tmp_path) -> Callable[[dict[str, Callable[[str], str]]], set[str]]:
    """Edits files of a fresh copy, and tells which steps have another identity then."""

    def changed(edits):
        root = tmp_path / "edited"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(original, root)
        for name, edit in edits.items():
            path = root / "camp" / name
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(edit(text), encoding="utf-8")
            assert not text or path.read_text(encoding="utf-8") != text, f"{name} is as before"
        after = identities(root)
        return {step for step in before if after[step] != before[step]}

    return changed


def appended(line: str) -> Callable[[str], str]:
    return lambda text: f"{text}{line}\n"


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


def a_docstring(text: str) -> str:
    """The first docstring of a function, told anew."""
    return text.replace('    """', '    """Told anew. ', 1)


A_COMMENT = appended("\n# A remark.")
SIMULATING = {"simulate with ase", "simulate with torchsim"}


def test_a_comment_or_a_docstring_repeats_nothing(changed_by):
    """In a report, in a model, in TorchSim's engine, in C++, anywhere."""
    files = [path for path in PACKAGE.rglob("*.py") if path.stat().st_size]
    edits = {str(path.relative_to(PACKAGE)): A_COMMENT for path in files}
    edits["models/toy/toy.cpp"] = lambda text: f"// Told anew.\n\n{text.replace('comment', 'word')}"
    assert changed_by(edits) == set()
    assert changed_by({f"{name}.py": a_docstring for name in ("md/trajectory", "files")}) == set()


def test_an_empty_file_and_a_new_model_repeat_nothing(changed_by):
    edits = {"models/empty.py": str, "md/empty.py": str, "models/toy/empty.hpp": str}
    other = {f"models/other/{name}": lambda _, text=text: text for name, text in TOY.items()}
    other["models/other/__init__.py"] = lambda _: (
        "from camp.models.toy import ARCHITECTURE as TOY\n"
        "from dataclasses import replace\n"
        "ARCHITECTURE = replace(TOY, name='other', label='Other')\n"
    )
    assert changed_by(edits | other) == set()


def test_a_new_version_number_repeats_nothing(changed_by):
    assert changed_by({"__init__.py": replaced("0.1.0", "0.2.0")}) == set()


def test_a_changed_thermostat_repeats_the_simulations(changed_by):
    """The chain is of both engines; trainings and evaluations have none."""
    edit = {"md/ase_engine.py": replaced("CHAIN_LENGTH = 3", "CHAIN_LENGTH = 5")}
    changed = changed_by(edit)
    assert changed >= SIMULATING
    assert not changed & {"train", "train toy", "evaluate", "import", "analyse", "split", "table"}


def test_an_engine_repeats_its_own_simulations_only(changed_by):
    changed = changed_by({"md/torchsim_engine.py": replaced("LOOKS = 10", "LOOKS = 5")})
    assert "simulate with torchsim" in changed
    assert not changed & {"simulate with ase", "train", "evaluate", "analyse"}


def test_a_changed_training_loop_repeats_the_trainings(changed_by):
    edit = {"training/loss.py": appended("\nSCALE = 2\n"), "training/average.py": appended("X = 1")}
    assert changed_by(edit) == {"train", "train toy"}


def test_a_report_repeats_tables_and_figures_only(changed_by):
    figures = {"figure", "figure of lips", "figure of water", "notebook"}
    report = {"table", "scoreboard", *figures}
    assert changed_by({"report/results.py": appended("X = 1")}) <= report
    assert changed_by({"report/style.py": appended("X = 1")}) == figures


def test_a_figure_is_drawn_again_for_its_own_code(changed_by):
    assert changed_by({"report/lips.py": appended("X = 1")}) == {"figure of lips"}


def test_a_network_repeats_what_its_model_does(changed_by):
    """Also by what it imports; other models stay as they are."""
    edit = {"models/toy/layers.py": replaced("3", "4")}
    assert changed_by(edit) == {"train toy", "import toy", *SIMULATING}


def test_a_reader_of_published_weights_repeats_their_import_only(changed_by):
    edit = {"models/toy/published.py": replaced("None", "path")}
    assert changed_by(edit) == {"import toy"}


def test_native_code_repeats_what_runs_it(changed_by):
    """A training knows nothing of the compiled model."""
    edit = {"models/toy/toy.cpp": replaced("2 * x", "x + x")}
    assert changed_by(edit) == SIMULATING
    # What looks like a comment in a text of C++ is none.
    assert changed_by({"models/toy/toy.cpp": replaced('"//"', '"/**/"')}) == SIMULATING


def test_a_neighbour_list_repeats_all_that_models_do(changed_by):
    edit = {"graph/neighbours.py": appended("X = 1")}
    changed = changed_by(edit)
    assert changed >= {"train", "evaluate", "scan", "speed", *SIMULATING}
    assert not changed & {"table", "scoreboard"}


def test_notebooks_are_made_again_for_all_that_they_import():
    found = imported(STEPS["notebook"])
    for path in (PACKAGE.parent / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        names = set(re.findall(r"^from (camp[\w.]*) import", text, re.MULTILINE))
        assert names and names <= found | {"camp"}, path


def test_every_step_has_its_modules():
    for step, modules in STEPS.items():
        assert set(modules) <= imported(modules), step
