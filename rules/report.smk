"""Tables and figures of the paper with our numbers, and the scoreboard over all of them."""


rule table:
    input:
        evaluations=all_evaluation_files,
        analyses=all_analysis_files,
        speeds=all_speed_files,
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
        "camp table {wildcards.table} --evaluations {input.evaluations:q}"
        " --analyses {input.analyses:q} --speeds {input.speeds:q} --tasks {input.tasks:q}"
        " --simulations {input.simulations:q} --paper {input.paper:q} --scale {wildcards.scale} --out-csv {output.csv:q}"
        " --out-html {output.html:q} > {log:q} 2>&1"


rule scoreboard:
    input:
        evaluations=all_evaluation_files,
        analyses=all_analysis_files,
        speeds=all_speed_files,
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
        "camp scoreboard --evaluations {input.evaluations:q}"
        " --analyses {input.analyses:q} --speeds {input.speeds:q} --tasks {input.tasks:q}"
        " --simulations {input.simulations:q} --paper {input.paper:q} --scale {wildcards.scale} --out-csv {output.csv:q}"
        " --out-html {output.html:q} > {log:q} 2>&1"


rule paper_figure:
    input:
        evaluations=lambda w: (
            all_evaluation_files(w) if FIGURES[w.figure].get("evaluations") else []
        ),
        analyses=lambda w: [analysis_file(n) for n in simulations_of(w.figure)],
        speeds=lambda w: (
            speed_files(simulations_of(w.figure)) if FIGURES[w.figure].get("speeds") else []
        ),
        references=lambda w: reference_inputs(w.figure),
        scans=lambda w: scan_files(w.figure),
        structure=lambda w: structure_file(w.figure),
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
    benchmark:
        "results/{scale}/benchmarks/figure/{figure}.jsonl"
    wildcard_constraints:
        figure=one_of(FIGURES),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        files=lambda w, input: figure_arguments(w.figure, input),
        code=code("report"),
    shell:
        "camp figure {wildcards.figure} {params.files:q} --tasks {input.tasks:q}"
        " --simulations {input.simulations:q} --paper {input.paper:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"


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
        data=lambda w: SCALE.tasks[w.task].data,
        code=code("report"),
    shell:
        "camp figure training-{wildcards.task} --metrics {input:q} --data {params.data:q}"
        " --scale {wildcards.scale} --out {output.png:q} > {log:q} 2>&1"
