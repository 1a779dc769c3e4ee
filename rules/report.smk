"""Tables and figures of the paper with our numbers, and the scoreboard over all of them."""


rule table:
    input:
        evaluations=all_evaluation_files,
        tasks=TASKS_FILE,
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
    benchmark:
        "results/{scale}/benchmarks/table/{table}.jsonl"
    wildcard_constraints:
        table=one_of(TABLES),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("report"),
    shell:
        "camp table {wildcards.table} --evaluations {input.evaluations:q} --tasks {input.tasks:q}"
        " --paper {input.paper:q} --scale {wildcards.scale} --out-csv {output.csv:q}"
        " --out-html {output.html:q} > {log:q} 2>&1"


rule scoreboard:
    input:
        evaluations=all_evaluation_files,
        tasks=TASKS_FILE,
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
    benchmark:
        "results/{scale}/benchmarks/scoreboard.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("report"),
    shell:
        "camp scoreboard --evaluations {input.evaluations:q} --tasks {input.tasks:q}"
        " --paper {input.paper:q} --scale {wildcards.scale} --out-csv {output.csv:q}"
        " --out-html {output.html:q} > {log:q} 2>&1"


rule learning_curve:
    input:
        evaluations=all_evaluation_files,
        tasks=TASKS_FILE,
        paper=PAPER_NUMBERS,
    output:
        png=report(
            "results/{scale}/figures/figure-2.png",
            caption="../report/figure-2.rst",
            category="Figures",
            labels={"name": "Figure 2", "scale": "{scale}"},
        ),
        pdf="results/{scale}/figures/figure-2.pdf",
    log:
        "results/{scale}/logs/figure/figure-2.log",
    benchmark:
        "results/{scale}/benchmarks/figure/figure-2.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("report"),
    shell:
        "camp figure figure-2 --evaluations {input.evaluations:q} --tasks {input.tasks:q}"
        " --paper {input.paper:q} --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"


rule predictions_figure:
    input:
        evaluations=lambda w: evaluation_files(w.task),
        predictions=lambda w: prediction_files(w.task),
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
    benchmark:
        "results/{scale}/benchmarks/figure/{kind}-{task}.jsonl"
    wildcard_constraints:
        kind=one_of(TASK_FIGURES),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("report"),
    shell:
        "camp figure {wildcards.kind}-{wildcards.task} --evaluations {input.evaluations:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"


rule training_figure:
    input:
        lambda w: metrics_files(w.task),
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
    benchmark:
        "results/{scale}/benchmarks/figure/training-{task}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        data=lambda w: SCALE.tasks[w.task]["data"],
        code=code("report"),
    shell:
        "camp figure training-{wildcards.task} --metrics {input:q} --data {params.data:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"
