# What is made from what. A scale is a configuration file; the rules do not know scales:
#
#     snakemake --cores all                                     (config/quick.yaml)
#     snakemake --cores all --configfile config/subset.yaml
#
from snakemake.utils import min_version

min_version("9.27")


report: "report/summary.rst"


include: "rules/common.smk"


wildcard_constraints:
    scale=SCALE.name,
    task=r"[A-Za-z0-9._-]+",
    dataset=r"[A-Za-z0-9._-]+",
    run=paths.one_of(paths.run_names(SCALE)),
    architecture=paths.one_of(paths.architecture_names(SCALE)),
    simulation=r"[A-Za-z0-9._-]+",


include: "rules/data.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/simulations.smk"
include: "rules/speed.smk"
include: "rules/labels.smk"
include: "rules/report.smk"
include: "rules/notebooks.smk"
include: "rules/failures.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        expand(
            "results/{scale}/fetched/{item}.json",
            scale=SCALE.name,
            item=fetching.optional_items(SCALE),
        ),
        # Input functions, because some wait for what could be fetched.
        lambda w: [file for task in SCALE.tasks for file in PRODUCTS.results_of(task)],
        lambda w: AVAILABLE.all_analyses(),
        lambda w: AVAILABLE.all_speeds(),
        lambda w: AVAILABLE.all_notebooks(),
        [paths.table_file(SCALE, name) for name in PRODUCTS.tables],
        [paths.scoreboard_file(SCALE, name) for name in PRODUCTS.scoreboards],
        [paths.figure_file(SCALE, name) for name in PRODUCTS.figures],
