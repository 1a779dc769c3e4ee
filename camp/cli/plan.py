"""The verb plan: what a scale will cost, before its jobs are submitted."""

import argparse
from pathlib import Path


def run_plan(arguments: argparse.Namespace) -> None:
    from camp.report.plan import make_plan
    from camp.settings import load_scale

    folder = arguments.configfile[0].parent
    overrides = {} if arguments.data_folder is None else {"data_folder": str(arguments.data_folder)}
    scale = load_scale(arguments.configfile, overrides, folder=folder)
    results = arguments.results or Path("results") / scale.name
    print(make_plan(scale, results).to_text())


def add_plan(verbs) -> None:
    parser = verbs.add_parser("plan", help="what a scale will cost, and what of it is done")
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        required=True,
        metavar="YAML",
        help="as for snakemake; what scales share is beside it",
    )
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="of the scale (default: results/<scale>)"
    )
    parser.add_argument("--data-folder", type=Path, help="where the scale wants files at hand")
    parser.set_defaults(run=run_plan)
