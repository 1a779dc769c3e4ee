"""The report of what there is after a failed run."""

from collections import defaultdict
from pathlib import Path

from camp.report.declarations import Paper, TableDeclaration
from camp.workflow import paths, salvage
from camp.workflow.availability import Availability
from camp.workflow.failures import RulePaths
from camp.workflow.products import Products
from tests.workflow.scales import OWN, changed, scale_of


def test_a_table_keeps_the_rivals_that_there_are(tmp_path, monkeypatch):
    """And asks for no others: one that failed must not take them along."""
    monkeypatch.chdir(tmp_path)
    training = "tasks/md17-ethanol/models/camp/training/max_time"
    peers = ("tasks/md17-ethanol/peers", ["mace", "nequip"])
    scale = scale_of(tmp_path, changed(OWN, (training, 0.1), peers))
    made, _ = paths.rival_files(scale, "md17-ethanol")
    Path(made).parent.mkdir(parents=True)
    Path(made).write_text("{}")
    table = TableDeclaration(
        name="Everything", caption="", covers="scale", takes=("evaluations", "rivals")
    )
    paper = Paper(
        name="toy",
        folder=Path("papers/toy"),
        label="Toy",
        architecture="camp",
        numbers=(),
        tables={"all": table},
        figures={},
    )
    commands = []
    monkeypatch.setattr(salvage, "_camp", lambda *arguments, paper: commands.append(arguments))
    products = Products(Availability(scale, str), {"toy": paper})
    nothing_ran = defaultdict(lambda: RulePaths(["none"], "none.log"))
    (tmp_path / "reasons").mkdir()
    report = salvage.Salvage(products, nothing_ran, tmp_path / "reasons")
    report.write([paths.table_file(scale, "all")])
    [command] = [command for command in commands if command[0] == "table"]
    assert command[command.index("--rivals") + 1] == made
    assert sum("rivals/" in argument for argument in command) == 1
