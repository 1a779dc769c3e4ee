"""Tables and figures as the papers declare them, and a scoreboard over each paper's numbers."""


# A second each.
localrules:
    table,
    scoreboard,
    figure,
    task_figure,


rule table:
    input:
        unpack(lambda w: PRODUCTS.inputs_of_table(w.name)),
    output:
        csv="results/{scale}/tables/{name}.csv",
        html=report(
            "results/{scale}/tables/{name}.html",
            caption="../report/table.rst",
            category="Tables",
            subcategory=lambda w: PRODUCTS.tables[w.name][0].label,
            labels=lambda w: {"name": PRODUCTS.tables[w.name][1].name, "scale": w.scale},
        ),
    log:
        "results/{scale}/logs/table/{name}.log",
    wildcard_constraints:
        name=paths.one_of(PRODUCTS.tables),
    conda:
        "../environment.yml"
    params:
        arguments=lambda w: PRODUCTS.table_arguments(w.name),
        identity=lambda w: identity.of_table(PRODUCTS.tables[w.name][1]),
    shell:
        "camp table {wildcards.name} {params.arguments:q} --scale {wildcards.scale}"
        " --out-csv {output.csv:q} --out-html {output.html:q} > {log:q} 2>&1"


rule scoreboard:
    input:
        unpack(lambda w: PRODUCTS.inputs_of_scoreboard(w.paper)),
    output:
        csv="results/{scale}/scoreboard-{paper}.csv",
        html=report(
            "results/{scale}/scoreboard-{paper}.html",
            caption="../report/scoreboard.rst",
            category="Scoreboards",
            labels=lambda w: {"name": PAPERS[w.paper].label, "scale": w.scale},
        ),
    log:
        "results/{scale}/logs/scoreboard/{paper}.log",
    wildcard_constraints:
        paper=paths.one_of(PRODUCTS.scoreboards),
    conda:
        "../environment.yml"
    params:
        arguments=lambda w: PRODUCTS.scoreboard_arguments(w.paper),
        identity=lambda w: identity.of_step("scoreboard"),
    shell:
        "camp scoreboard {params.arguments:q} --scale {wildcards.scale}"
        " --out-csv {output.csv:q} --out-html {output.html:q} > {log:q} 2>&1"


rule figure:
    input:
        unpack(lambda w: PRODUCTS.inputs_of_figure(w.name)),
    output:
        png=report(
            "results/{scale}/figures/{name}.png",
            caption="../report/figure.rst",
            category="Figures",
            subcategory=lambda w: PRODUCTS.figures[w.name][0].label,
            labels=lambda w: {"name": PRODUCTS.figures[w.name][1].name, "scale": w.scale},
        ),
        pdf="results/{scale}/figures/{name}.pdf",
    log:
        "results/{scale}/logs/figure/{name}.log",
    wildcard_constraints:
        name=paths.one_of(PRODUCTS.figures),
    conda:
        "../environment.yml"
    params:
        arguments=lambda w: PRODUCTS.figure_arguments(w.name),
        identity=lambda w: identity.of_figure(PRODUCTS.figures[w.name][1]),
    shell:
        "camp figure {wildcards.name} {params.arguments:q} --scale {wildcards.scale}"
        " --out {output.png:q} > {log:q} 2>&1"


rule task_figure:
    input:
        unpack(lambda w: PRODUCTS.inputs_of_task_figure(w.name, w.task)),
    output:
        png=report(
            "results/{scale}/figures/{name}-{task}.png",
            caption="../report/figure.rst",
            category="Tasks",
            subcategory="{task}",
            labels=lambda w: {"name": PRODUCTS.task_figures[w.name][1].name, "scale": w.scale},
        ),
        pdf="results/{scale}/figures/{name}-{task}.pdf",
    log:
        "results/{scale}/logs/figure/{name}-{task}.log",
    wildcard_constraints:
        name=paths.one_of(PRODUCTS.task_figures),
    conda:
        "../environment.yml"
    params:
        arguments=lambda w: PRODUCTS.task_figure_arguments(w.name, w.task),
        identity=lambda w: identity.of_figure(PRODUCTS.task_figures[w.name][1]),
    shell:
        "camp figure {wildcards.name} {params.arguments:q} --scale {wildcards.scale}"
        " --out {output.png:q} > {log:q} 2>&1"
