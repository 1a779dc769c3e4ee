"""Tables and figures as the papers declare them, and a scoreboard over each paper's numbers."""


rule table:
    input:
        evaluations=inputs_of(TABLES, "evaluations"),
        analyses=inputs_of(TABLES, "analyses"),
        speeds=inputs_of(TABLES, "speeds"),
        trainings=inputs_of(TABLES, "trainings"),
        declared=lambda w: TABLES[w.name][0].files,
    output:
        csv="results/{scale}/tables/{name}.csv",
        html=report(
            "results/{scale}/tables/{name}.html",
            caption="../report/table.rst",
            category="Tables",
            subcategory=lambda w: TABLES[w.name][0].label,
            labels=lambda w: {"name": TABLES[w.name][1].name, "scale": w.scale},
        ),
    log:
        "results/{scale}/logs/table/{name}.log",
    benchmark:
        "results/{scale}/benchmarks/table/{name}.jsonl"
    wildcard_constraints:
        name=one_of(TABLES),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper=lambda w: TABLES[w.name][0].folder,
        files=lambda w, input: options(input, "evaluations", "analyses", "speeds", "trainings"),
        code=code("report"),
    shell:
        "camp table {wildcards.name} --paper {params.paper:q} {params.files:q}"
        " --scale {wildcards.scale} --out-csv {output.csv:q} --out-html {output.html:q}"
        " > {log:q} 2>&1"


rule scoreboard:
    input:
        evaluations=scoreboard_inputs("evaluations"),
        analyses=scoreboard_inputs("analyses"),
        speeds=scoreboard_inputs("speeds"),
        declared=lambda w: PAPERS[w.paper].files,
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
    benchmark:
        "results/{scale}/benchmarks/scoreboard/{paper}.jsonl"
    wildcard_constraints:
        paper=one_of(SCOREBOARDS),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper=lambda w: PAPERS[w.paper].folder,
        files=lambda w, input: options(input, "evaluations", "analyses", "speeds"),
        code=code("report"),
    shell:
        "camp scoreboard --paper {params.paper:q} {params.files:q} --scale {wildcards.scale}"
        " --out-csv {output.csv:q} --out-html {output.html:q} > {log:q} 2>&1"


rule figure:
    input:
        evaluations=inputs_of(FIGURES, "evaluations"),
        analyses=inputs_of(FIGURES, "analyses"),
        speeds=inputs_of(FIGURES, "speeds"),
        references=lambda w: reference_inputs(w.name),
        scans=lambda w: scan_files(w.name),
        structure=lambda w: structure_file(w.name),
        declared=lambda w: FIGURES[w.name][0].files,
    output:
        png=report(
            "results/{scale}/figures/{name}.png",
            caption="../report/figure.rst",
            category="Figures",
            subcategory=lambda w: FIGURES[w.name][0].label,
            labels=lambda w: {"name": FIGURES[w.name][1].name, "scale": w.scale},
        ),
        pdf="results/{scale}/figures/{name}.pdf",
    log:
        "results/{scale}/logs/figure/{name}.log",
    benchmark:
        "results/{scale}/benchmarks/figure/{name}.jsonl"
    wildcard_constraints:
        name=one_of(FIGURES),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        paper=lambda w: FIGURES[w.name][0].folder,
        files=lambda w, input: figure_arguments(w.name, input),
        code=code("report"),
    shell:
        "camp figure {wildcards.name} --paper {params.paper:q} {params.files:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"


rule task_figure:
    input:
        evaluations=lambda w: evaluation_files(w.task) if takes(w.name, "evaluations") else [],
        predictions=lambda w: prediction_files(w.task) if takes(w.name, "evaluations") else [],
        metrics=lambda w: metrics_files(w.task) if takes(w.name, "trainings") else [],
        declared=lambda w: TASK_FIGURES[w.name][0].files,
    output:
        png=report(
            "results/{scale}/figures/{name}-{task}.png",
            caption="../report/figure.rst",
            category="Tasks",
            subcategory="{task}",
            labels=lambda w: {"name": TASK_FIGURES[w.name][1].name, "scale": w.scale},
        ),
        pdf="results/{scale}/figures/{name}-{task}.pdf",
    log:
        "results/{scale}/logs/figure/{name}-{task}.log",
    benchmark:
        "results/{scale}/benchmarks/figure/{name}-{task}.jsonl"
    wildcard_constraints:
        name=one_of(TASK_FIGURES),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        paper=lambda w: TASK_FIGURES[w.name][0].folder,
        files=lambda w, input: options(input, "evaluations", "metrics"),
        data=lambda w: SCALE.tasks[w.task]["data"],
        code=code("report"),
    shell:
        "camp figure {wildcards.name} --task {wildcards.task} --paper {params.paper:q}"
        " {params.files:q} --data {params.data:q} --scale {wildcards.scale} --out {output.png:q}"
        " > {log:q} 2>&1"
