"""Verbs that show results: label, and beside the paper table, figure, scoreboard."""

import argparse
from pathlib import Path

from camp.errors import InputError


def _add_comparison(parser, *, required: bool) -> None:
    """Inputs of what compares our evaluations and simulations with the paper."""
    parser.add_argument(
        "--evaluations",
        type=Path,
        nargs="*",
        default=[],
        metavar="JSON",
        help="evaluations (and 'unavailable' files), or folders of them",
    )
    parser.add_argument(
        "--analyses",
        type=Path,
        nargs="*",
        default=[],
        metavar="JSON",
        help="analyses of simulations (and 'unavailable' files), or folders of them",
    )
    parser.add_argument(
        "--speeds",
        type=Path,
        nargs="*",
        default=[],
        metavar="JSON",
        help="measured speeds, or folders of them",
    )
    tasks_help = "tasks and the numbers they answer (YAML)"
    parser.add_argument("--tasks", type=Path, required=required, help=tasks_help)
    simulations_help = "simulations and the numbers they answer (YAML)"
    parser.add_argument("--simulations", type=Path, help=simulations_help)
    parser.add_argument("--paper", type=Path, required=required, help="the paper's numbers (CSV)")
    parser.add_argument("--scale", required=True, help="name of the scale, shown everywhere")


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
    from camp.report.paper import read_answering, read_paper_numbers
    from camp.report.results import collect
    from camp.report.speed import SpeedTable
    from camp.report.tables import Table, make_table

    results = collect(arguments.evaluations, arguments.scale, arguments.analyses, arguments.speeds)
    table: SpeedTable | Table
    if arguments.name == "speed":
        table = SpeedTable(tuple(results.speeds.by_simulation.values()))
    else:
        table = make_table(
            arguments.name,
            read_paper_numbers(arguments.paper),
            read_answering(*filter(None, (arguments.tasks, arguments.simulations))),
            results,
        )
    write_text(arguments.out_csv, table.to_csv())
    if arguments.out_html:
        write_text(arguments.out_html, table.to_html())
    if arguments.out_markdown:
        write_text(arguments.out_markdown, table.to_markdown())


def add_table(verbs) -> None:
    parser = verbs.add_parser("table", help="one table of the paper, our numbers beside")
    parser.add_argument("name", help="table-1 … table-5, table-s1 … table-s3, ablation, speed")
    _add_comparison(parser, required=True)
    parser.add_argument("--out-csv", type=Path, required=True, help="raw numbers")
    parser.add_argument("--out-html", type=Path, help="laid out as in the paper")
    parser.add_argument("--out-markdown", type=Path, help="the same as Markdown")
    parser.set_defaults(run=run_table)


def run_scoreboard(arguments: argparse.Namespace) -> None:
    from camp.files import write_text
    from camp.report.paper import read_answering, read_paper_numbers
    from camp.report.results import collect
    from camp.report.scoreboard import make_scoreboard

    scoreboard = make_scoreboard(
        read_paper_numbers(arguments.paper),
        read_answering(*filter(None, (arguments.tasks, arguments.simulations))),
        collect(arguments.evaluations, arguments.scale, arguments.analyses, arguments.speeds),
    )
    write_text(arguments.out_csv, scoreboard.to_csv())
    if arguments.out_html:
        write_text(arguments.out_html, scoreboard.to_html())
    print(scoreboard.summary())


def add_scoreboard(verbs) -> None:
    parser = verbs.add_parser("scoreboard", help="every CAMP number of the paper against ours")
    _add_comparison(parser, required=True)
    parser.add_argument("--out-csv", type=Path, required=True)
    parser.add_argument("--out-html", type=Path)
    parser.set_defaults(run=run_scoreboard)


def run_figure(arguments: argparse.Namespace) -> None:
    from camp.report.figures import draw_figure
    from camp.report.style import save_figure

    figure = draw_figure(
        arguments.name,
        scale=arguments.scale,
        evaluations=arguments.evaluations,
        analyses=arguments.analyses,
        speeds=arguments.speeds,
        metrics=arguments.metrics,
        scans=arguments.scans,
        references=dict(arguments.reference),
        structure=arguments.structure,
        data=arguments.data,
        tasks=arguments.tasks,
        simulations=arguments.simulations,
        paper=arguments.paper,
    )
    save_figure(figure, arguments.out)


def _named_file(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if not name or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return name, Path(file)


def add_figure(verbs) -> None:
    parser = verbs.add_parser("figure", help="one figure, as PNG and PDF")
    parser.add_argument(
        "name",
        help="figure-2 … figure-6, figure-s1 … figure-s3, figure-drift, training-TASK, "
        "parity-TASK or errors-TASK",
    )
    _add_comparison(parser, required=False)
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], help="metrics.csv of each seed (training)"
    )
    parser.add_argument("--data", help="label of the data (training, figure-s1)")
    parser.add_argument(
        "--scans", type=Path, nargs="*", default=[], help="of camp scan (figure-6, figure-drift)"
    )
    parser.add_argument(
        "--reference",
        type=_named_file,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="aimd (of camp analyse), xray-2013, xray-2014, neutron or revpbe0",
    )
    parser.add_argument("--structure", type=Path, help="the crystal (figure-s1)")
    parser.add_argument("--out", type=Path, required=True, help="PNG file; the PDF goes beside it")
    parser.set_defaults(run=run_figure)
