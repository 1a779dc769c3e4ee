"""Verbs that show results: label, gallery, and beside the papers table, figure, scoreboard."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from camp.errors import InputError

if TYPE_CHECKING:
    from camp.report.inputs import Inputs

# Files of results by option, each of them also in folders that are searched for them.
_RESULTS = {
    "evaluations": "evaluations (and files that say why there are none)",
    "analyses": "analyses of simulations (and files that say why there are none)",
    "speeds": "measured speeds",
}


def _add_inputs(parser) -> None:
    """What all three need: a paper, a scale, results."""
    parser.add_argument(
        "--paper",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="what is declared: config/papers/NAME",
    )
    parser.add_argument("--scale", required=True, help="name of the scale, shown everywhere")
    for option, text in _RESULTS.items():
        _add_files(parser, option, f"{text}, or folders of them")


def _add_files(parser, option: str, text: str) -> None:
    parser.add_argument(f"--{option}", type=Path, nargs="*", default=[], metavar="FILE", help=text)


def _inputs(arguments: argparse.Namespace, **more) -> "Inputs":
    from camp.report.declarations import load_paper
    from camp.report.inputs import read_inputs

    results = {name: getattr(arguments, name) for name in _RESULTS}
    results["evaluations"] = [*results["evaluations"], *getattr(arguments, "rivals", [])]
    return read_inputs(load_paper(arguments.paper), arguments.scale, **results, **more)


def run_label(arguments: argparse.Namespace) -> None:
    from camp.files import read_json, write_json

    labels = {"data": arguments.data_label, "note": arguments.note, "title": arguments.title}
    given = {name: text for name, text in labels.items() if text is not None}
    content = read_json(arguments.result)
    several = isinstance(content, list)
    records = content if several else [content]
    if not all(isinstance(record, dict) for record in records):
        raise InputError(f"{arguments.result}: not a result of camp")
    labelled = [{**record, **given} for record in records]
    write_json(arguments.out, labelled if several else labelled[0])


def add_label(verbs) -> None:
    parser = verbs.add_parser("label", help="what people read beside a result, without making it")
    parser.add_argument("result", type=Path, metavar="JSON", help="of evaluate, analyse, scan, …")
    parser.add_argument("out", type=Path, metavar="OUT", help="the same with labels")
    parser.add_argument("--data-label", metavar="TEXT")
    parser.add_argument("--note", metavar="TEXT")
    parser.add_argument("--title", metavar="TEXT")
    parser.set_defaults(run=run_label)


def run_table(arguments: argparse.Namespace) -> None:
    from camp.files import write_text
    from camp.report.tables import make_table

    table = make_table(arguments.name, _inputs(arguments, trainings=arguments.trainings))
    write_text(arguments.out_csv, table.to_csv())
    if arguments.out_html:
        write_text(arguments.out_html, table.to_html())
    if arguments.out_markdown:
        write_text(arguments.out_markdown, table.to_markdown())


def add_table(verbs) -> None:
    parser = verbs.add_parser("table", help="one table, our numbers beside those of a paper")
    parser.add_argument("name", help="of the paper's tables.yaml, such as table-1")
    _add_inputs(parser)
    _add_files(parser, "trainings", "training.json of each training (comparison)")
    _add_files(parser, "rivals", "errors of simple methods and of peers (comparison)")
    parser.add_argument("--out-csv", type=Path, required=True, help="raw numbers")
    parser.add_argument("--out-html", type=Path, help="laid out as in the paper")
    parser.add_argument("--out-markdown", type=Path, help="the same as Markdown")
    parser.set_defaults(run=run_table)


def run_scoreboard(arguments: argparse.Namespace) -> None:
    from camp.files import write_text
    from camp.report.scoreboard import make_scoreboard

    inputs = _inputs(arguments)
    scoreboard = make_scoreboard(inputs.paper, inputs.results)
    write_text(arguments.out_csv, scoreboard.to_csv())
    if arguments.out_html:
        write_text(arguments.out_html, scoreboard.to_html())
    print(scoreboard.summary())


def add_scoreboard(verbs) -> None:
    parser = verbs.add_parser("scoreboard", help="the numbers of a paper against ours")
    _add_inputs(parser)
    parser.add_argument("--out-csv", type=Path, required=True)
    parser.add_argument("--out-html", type=Path)
    parser.set_defaults(run=run_scoreboard)


def run_figure(arguments: argparse.Namespace) -> None:
    from camp.report.figures import draw_figure
    from camp.report.style import save_figure

    inputs = _inputs(
        arguments,
        task=arguments.task,
        metrics=arguments.metrics,
        scans=arguments.scans,
        references=dict(arguments.reference),
        structure=arguments.structure,
        data=arguments.data,
    )
    save_figure(draw_figure(arguments.name, inputs), arguments.out)


def _named_file(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if not name or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return name, Path(file)


def _add_references(parser) -> None:
    parser.add_argument(
        "--reference",
        type=_named_file,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="aimd (of camp analyse), xray-2013, xray-2014, neutron or revpbe0",
    )


def add_figure(verbs) -> None:
    parser = verbs.add_parser("figure", help="one figure, as PNG and PDF")
    parser.add_argument("name", help="of the paper's tables.yaml, such as figure-2")
    _add_inputs(parser)
    parser.add_argument("--task", default="", help="of a figure that shows one task")
    _add_files(parser, "metrics", "metrics.csv of each training")
    parser.add_argument("--data", default="", help="label of the data of metrics or a structure")
    _add_files(parser, "scans", "of camp scan")
    _add_references(parser)
    parser.add_argument("--structure", type=Path, help="of which the first structure is drawn")
    parser.add_argument("--out", type=Path, required=True, help="PNG file; the PDF goes beside it")
    parser.set_defaults(run=run_figure)


def run_gallery(arguments: argparse.Namespace) -> None:
    from camp.files import write_text
    from camp.report.declarations import load_papers
    from camp.report.gallery import make_gallery
    from camp.report.style import save_small

    gallery = make_gallery(
        arguments.results,
        load_papers(arguments.papers),
        arguments.figures,
        machine=arguments.machine,
        references=dict(arguments.reference),
    )
    for picture in gallery.pictures:
        save_small(picture.figure, arguments.out / f"{picture.name}.png")
    write_text(arguments.out / f"{gallery.scale}.csv", gallery.to_csv())
    write_text(arguments.out / f"{gallery.scale}.md", gallery.to_markdown())
    print(f"{len(gallery.numbers)} numbers, {len(gallery.pictures)} figures: {arguments.out}")


def add_gallery(verbs) -> None:
    parser = verbs.add_parser("gallery", help="a page of what a scale has so far; computes nothing")
    parser.add_argument("results", type=Path, metavar="FOLDER", help="of a scale: results/SCALE")
    parser.add_argument(
        "--figures",
        nargs="*",
        default=[],
        metavar="NAME",
        help="such as figure-2, or of a task parity-lips-100",
    )
    parser.add_argument("--machine", required=True, metavar="TEXT", help="on which it was made")
    _add_references(parser)
    parser.add_argument("--papers", type=Path, default=Path("config/papers"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("docs/reproduction"), metavar="FOLDER")
    parser.set_defaults(run=run_gallery)
