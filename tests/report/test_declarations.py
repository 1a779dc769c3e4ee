"""What the papers declare: complete, drawable, and every mistake is one clear line."""

import csv
import shutil

import pytest

from camp.errors import InputError
from camp.report.declarations import (
    FigureDeclaration,
    TableDeclaration,
    by_name,
    load_paper,
    load_papers,
    resolve,
)
from camp.report.metrics import METRICS, shown_error
from camp.report.paper import COLUMNS
from camp.settings import read_yaml
from camp.targets import ENERGY, FORCES, TARGETS

from .conftest import PAPERS

CONFIG = PAPERS.parent


@pytest.fixture
def folder(tmp_path):
    """A copy of the papers to make mistakes in."""
    return shutil.copytree(PAPERS, tmp_path / "papers")


def test_everything_declared_has_its_function():
    papers = load_papers(PAPERS).values()
    for _, table in by_name(papers, "tables").values():
        assert callable(resolve(table.make))
    for _, figure in by_name(papers, "figures").values():
        assert callable(resolve(figure.draw))


def test_what_answers_a_number_is_a_task_or_a_simulation_of_the_configuration():
    tasks = read_yaml(CONFIG / "tasks.yaml")
    simulations = read_yaml(CONFIG / "simulations.yaml")
    for paper in load_papers(PAPERS).values():
        for number in paper.own_numbers:
            assert number.answered_by_task in {"", *tasks}
            assert number.answered_by_simulation in {"", *simulations}
            # An error is answered by an evaluation, all else by a simulation.
            is_error = number.metric.answered_by == "evaluation"
            assert bool(number.answered_by_task) == is_error
            assert bool(number.answered_by_simulation) != is_error
        for figure in paper.figures.values():
            named = (figure.simulations, figure.dimer_scans, figure.structure)
            assert {name for names in named for name in names} <= set(simulations)
            assert {*figure.interlayer_scans, *figure.curve_tasks} <= set(tasks)


def test_only_the_paper_s_own_model_is_ours():
    for paper in load_papers(PAPERS).values():
        assert {number.architecture for number in paper.own_numbers} <= {paper.architecture}
        assert {number.model for number in paper.own_numbers} <= {paper.label}


def test_every_table_and_figure_with_a_place_has_numbers_there():
    papers = load_papers(PAPERS).values()
    products = [*by_name(papers, "tables").values(), *by_name(papers, "figures").values()]
    for paper, product in products:
        assert bool(product.where) <= bool(paper.printed(product.where)), product.name


def test_inputs_are_what_answers_the_numbers(camp):
    needs = camp.needs(camp.table("table-3"))
    assert (needs.tasks, needs.simulations, needs.speeds) == (("water",), (), ("water-300K",))
    needs = camp.needs(camp.figure("figure-5"))
    assert needs.tasks == ("md17-aspirin-9500", "md17-ethanol-9500")
    assert needs.simulations == needs.speeds == ("aspirin", "ethanol")
    assert camp.needs(camp.figure("figure-3")).simulations == ("lips",)


def test_inputs_of_curves_are_their_tasks(folder):
    paper = load_paper(folder / "carnet")
    figure = paper.figure("dipole-learning-curve")
    assert set(paper.needs(figure).tasks) == {t for tasks in figure.curves.values() for t in tasks}
    # A point belongs to one curve.
    assert len(figure.curve_tasks) == sum(map(len, figure.curves.values()))


def test_a_table_is_added_in_one_file(folder):
    """Its declaration; nothing else in the repository knows it."""
    path = folder / "camp" / "tables.yaml"
    entry = "  mine: {name: Mine, where: Table 5, rows: {MAE: quantity}, caption: Graphene.}\n"
    path.write_text(path.read_text().replace("tables:\n", f"tables:\n{entry}", 1))
    paper, table = by_name(load_papers(folder).values(), "tables")["mine"]
    assert table.heading == "Mine"
    assert paper.needs(table).tasks == ("graphene",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("label: CAMP", "labl: CAMP", "labl is not a known key; did you mean 'label'?"),
        ("label: CAMP", "", "lacking is the key 'label'"),
        (
            "    title: speed for water",
            "    titel: speed for water",
            "tables.table-s1.titel is not a known key; did you mean 'title'?",
        ),
        (
            "rows: {MAE: quantity}",
            "rows: {MAE: quality}",
            "tables.table-5.rows.MAE is 'quality'; it must be one of train_size, system",
        ),
        (
            "simulations: [lips-1fs]",
            "simulations: lips-1fs",
            "figures.figure-s2.simulations is 'lips-1fs'; it must be a list",
        ),
    ],
)
def test_mistake_in_a_declaration_is_one_line(folder, old, new, message):
    path = folder / "camp" / "tables.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as error:
        load_paper(folder / "camp")
    assert f"{path}: {message}" in str(error.value)
    assert "\n" not in str(error.value)


def test_curves_without_targets_are_refused(folder):
    path = folder / "carnet" / "tables.yaml"
    path.write_text(path.read_text().replace("    targets: [dipole]\n", ""))
    message = r"figures\.dipole-learning-curve\.curves needs 'targets', whose errors its points are"
    with pytest.raises(InputError, match=message):
        load_paper(folder / "carnet")


def test_names_are_unique_over_the_papers(folder):
    path = folder / "cace" / "tables.yaml"
    path.write_text(path.read_text().replace("cace-water:", "table-3:"))
    with pytest.raises(InputError, match=r"tables\.table-3 is also declared in .*cace"):
        load_papers(folder)


def test_every_key_and_column_is_explained():
    text = (PAPERS / "README.md").read_text(encoding="utf-8")
    keys = {*COLUMNS, *TableDeclaration.model_fields, *FigureDeclaration.model_fields}
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_function_that_is_not_there():
    for place in ("camp.report.lips:nothing", "camp.report.nowhere:draw", "nothing", ""):
        with pytest.raises(InputError, match="is no function"):
            resolve(place)


def test_figure_with_another_number_of_simulations_is_refused(camp):
    with pytest.raises(InputError, match="Figure S3 draws 1 simulations, and 5 are declared"):
        camp.figure("figure-s3").exactly(1, "simulations")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("metric", "energy_mea", "no metric 'energy_mea'; did you mean 'energy_mae'?"),
        ("unit", "kcal", "energy_mae in 'kcal'; it must be in one of eV, meV, eV/atom, meV/atom"),
        ("value", "many", "could not convert string to float: 'many'; put a number there"),
        ("answered_by_simulation", "lips", "is answered by both a task and a simulation; name one"),
        ("metric", "diffusivity_mae", "diffusivity_mae in 'meV/atom'; it must be in one of"),
    ],
)
def test_mistake_in_a_number_names_its_line(folder, column, value, message):
    path = folder / "camp" / "numbers.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        rows, columns = list(reader), reader.fieldnames
    line = next(k for k, row in enumerate(rows) if row["answered_by_task"])
    rows[line][column] = value
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError) as error:
        load_paper(folder / "camp")
    assert f"{path}, line {line + 2}: " in str(error.value)
    assert message in str(error.value)


def test_speed_without_its_device_is_refused(folder):
    path = folder / "camp" / "numbers.csv"
    path.write_text(path.read_text().replace(",V100,", ",,"))
    with pytest.raises(InputError, match="md_steps_per_s needs the device that it was measured on"):
        load_paper(folder / "camp")


def test_folder_without_declarations_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"tables\.yaml: cannot be read"):
        load_paper(tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_metrics(target):
    for statistic in ("mae", "rmse"):
        metric = METRICS[f"{target}_{statistic}"]
        assert (metric.quantity, metric.answered_by) == (target, "evaluation")
        assert shown_error(TARGETS[target], statistic).key in {e.key for e in metric.units.values()}


def test_energies_and_forces_are_shown_in_thousandths():
    energy, forces = shown_error(ENERGY, "mae"), shown_error(FORCES, "rmse")
    assert (energy.key, energy.unit, energy.factor) == ("energy_mae_per_atom", "meV/atom", 1e3)
    assert (forces.key, forces.unit, forces.factor) == ("forces_rmse", "meV/Å", 1e3)
