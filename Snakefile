# What is made from what. A scale is a configuration file; the rules do not know scales:
#
#     snakemake --cores all                                     (config/quick.yaml)
#     snakemake --cores all --configfile config/subset.yaml
#
from snakemake.utils import min_version

min_version("9.27")


wildcard_constraints:
    scale=r"[a-z0-9][a-z0-9_-]*",
    task=r"[A-Za-z0-9._-]+",
    dataset=r"[A-Za-z0-9._-]+",
    run=r"published|seed-\d+",
    simulation=r"[A-Za-z0-9._-]+",


include: "rules/common.smk"
include: "rules/common_simulations.smk"
include: "rules/common_report.smk"
include: "rules/data.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/simulations.smk"
include: "rules/speed.smk"
include: "rules/report.smk"
include: "rules/notebooks.smk"
include: "rules/failures.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        expand("results/{scale}/fetched/{item}.json", scale=SCALE.name, item=TO_FETCH),
        [results_of(task) for task in SCALE.tasks],
        expand("results/{scale}/tables/{table}.html", scale=SCALE.name, table=TABLES),
        expand("results/{scale}/scoreboard-{paper}.html", scale=SCALE.name, paper=SCOREBOARDS),
        expand("results/{scale}/figures/{figure}.png", scale=SCALE.name, figure=FIGURES),
        all_analysis_files,
        all_speed_files,
        [executed_notebook(name) for name in SCALE.notebooks],
