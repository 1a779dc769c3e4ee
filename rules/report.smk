"""Tables and figures of the paper with our numbers, and the scoreboard over all of them."""


# A second each.
localrules:
    table,
    scoreboard,
    paper_figure,
    predictions_figure,
    training_figure,


rule table:
    input:
        evaluations=lambda w: AVAILABLE.all_evaluations(),
        analyses=lambda w: AVAILABLE.all_analyses(),
        speeds=lambda w: AVAILABLE.all_speeds(),
        tasks=TASKS_FILE,
        simulations=SIMULATIONS_FILE,
        paper=PAPER_NUMBERS,
    output:
        csv="results/{scale}/tables/{table}.csv",
        html=report(
            "results/{scale}/tables/{table}.html",
            caption="../report/table.rst",
            category="Tables",
            labels=lambda w: {"name": TABLES[w.table], "scale": w.scale},
        ),
    log:
        "results/{scale}/logs/table/{table}.log",
    wildcard_constraints:
        table=paths.one_of(TABLES),
    conda:
        "../environment.yml"
    params:
        identity=lambda w: identity.of_step("table"),
    shell:
        "camp table {wildcards.table} --evaluations {input.evaluations:q}"
        " --analyses {input.analyses:q} --speeds {input.speeds:q} --tasks {input.tasks:q}"
        " --simulations {input.simulations:q} --paper {input.paper:q} --scale {wildcards.scale} --out-csv {output.csv:q}"
        " --out-html {output.html:q} > {log:q} 2>&1"


rule scoreboard:
    input:
        evaluations=lambda w: AVAILABLE.all_evaluations(),
        analyses=lambda w: AVAILABLE.all_analyses(),
        speeds=lambda w: AVAILABLE.all_speeds(),
        tasks=TASKS_FILE,
        simulations=SIMULATIONS_FILE,
        paper=PAPER_NUMBERS,
    output:
        csv="results/{scale}/scoreboard.csv",
        html=report(
            "results/{scale}/scoreboard.html",
            caption="../report/scoreboard.rst",
            category="Scoreboard",
            labels={"name": "All CAMP numbers of the paper", "scale": "{scale}"},
        ),
    log:
        "results/{scale}/logs/scoreboard.log",
    conda:
        "../environment.yml"
    params:
        identity=lambda w: identity.of_step("scoreboard"),
    shell:
        "camp scoreboard --evaluations {input.evaluations:q}"
        " --analyses {input.analyses:q} --speeds {input.speeds:q} --tasks {input.tasks:q}"
        " --simulations {input.simulations:q} --paper {input.paper:q} --scale {wildcards.scale} --out-csv {output.csv:q}"
        " --out-html {output.html:q} > {log:q} 2>&1"


rule paper_figure:
    input:
        evaluations=lambda w: FIGURE_INPUTS[w.figure].evaluations,
        analyses=lambda w: FIGURE_INPUTS[w.figure].analyses,
        speeds=lambda w: FIGURE_INPUTS[w.figure].speeds,
        references=lambda w: [*FIGURE_INPUTS[w.figure].references.values()],
        scans=lambda w: FIGURE_INPUTS[w.figure].scans,
        structure=lambda w: FIGURE_INPUTS[w.figure].structure,
        tasks=TASKS_FILE,
        simulations=SIMULATIONS_FILE,
        paper=PAPER_NUMBERS,
    output:
        png=report(
            "results/{scale}/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels=lambda w: {"name": FIGURES[w.figure]["title"], "scale": w.scale},
        ),
        pdf="results/{scale}/figures/{figure}.pdf",
    log:
        "results/{scale}/logs/figure/{figure}.log",
    wildcard_constraints:
        figure=paths.one_of(FIGURES),
    conda:
        "../environment.yml"
    params:
        files=lambda w: FIGURE_INPUTS[w.figure].arguments(),
        identity=lambda w: identity.of_step("figure"),
    shell:
        "camp figure {wildcards.figure} {params.files:q} --tasks {input.tasks:q}"
        " --simulations {input.simulations:q} --paper {input.paper:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"


rule predictions_figure:
    input:
        evaluations=lambda w: AVAILABLE.evaluations(w.task),
        predictions=lambda w: paths.prediction_files(SCALE, w.task),
    output:
        png=report(
            "results/{scale}/figures/{kind}-{task}.png",
            caption="../report/predictions.rst",
            category="Predictions",
            subcategory="{task}",
            labels=lambda w: {"name": TASK_FIGURES[w.kind], "scale": w.scale},
        ),
        pdf="results/{scale}/figures/{kind}-{task}.pdf",
    log:
        "results/{scale}/logs/figure/{kind}-{task}.log",
    wildcard_constraints:
        kind=paths.one_of(TASK_FIGURES),
    conda:
        "../environment.yml"
    params:
        identity=lambda w: identity.of_step("figure"),
    shell:
        "camp figure {wildcards.kind}-{wildcards.task} --evaluations {input.evaluations:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"


rule training_figure:
    input:
        lambda w: paths.metrics_files(SCALE, w.task),
    output:
        png=report(
            "results/{scale}/figures/training-{task}.png",
            caption="../report/training.rst",
            category="Trainings",
            labels={"task": "{task}", "scale": "{scale}"},
        ),
        pdf="results/{scale}/figures/training-{task}.pdf",
    log:
        "results/{scale}/logs/figure/training-{task}.log",
    conda:
        "../environment.yml"
    params:
        data=lambda w: SCALE.tasks[w.task]["data"],
        identity=lambda w: identity.of_step("figure"),
    shell:
        "camp figure training-{wildcards.task} --metrics {input:q} --data {params.data:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"
