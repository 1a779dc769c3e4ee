"""Errors of every potential on the test set of its task."""


localrules:
    unavailable,


rule evaluate:
    input:
        model=lambda w: model_file(w.task, w.run),
        data=lambda w: data_file(w.task),
        split=lambda w: split_files(w.task),
    output:
        json="results/{scale}/evaluation/{task}/{run}.json",
        npz="results/{scale}/evaluation/{task}/{run}.npz",
    log:
        "results/{scale}/logs/evaluate/{task}/{run}.log",
    benchmark:
        "results/{scale}/benchmarks/evaluate/{task}/{run}.jsonl"
    conda:
        "../environment.yml"
    threads: resource("threads")
    resources:
        gpu=resource("gpu"),
        mem_mb=resource("mem_mb"),
        # The task's time is that of its training.
        runtime=lambda w: min(240, SCALE.tasks[w.task]["resources"]["runtime"]),
    params:
        arguments=lambda w: evaluation_arguments(w.task, w.run),
        code=code("evaluate"),
    shell:
        "camp evaluate {input.model:q} {input.data:q} --json {output.json:q} --npz {output.npz:q}"
        " --scale {wildcards.scale} {params.arguments:q} > {log:q} 2>&1"


# Stands in the place of the evaluations when a file could not be had.
rule unavailable:
    input:
        lambda w: records(f"data-{SCALE.tasks[w.task]['dataset']}"),
        lambda w: records(f"weights-{w.task}"),
    output:
        "results/{scale}/evaluation/{task}/unavailable.json",
    log:
        "results/{scale}/logs/unavailable/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/unavailable/{task}.jsonl"
    conda:
        "../environment.yml"
    params:
        text=lambda w: json.dumps(
            {
                "task": w.task,
                "architecture": architecture(w.task),
                "reason": why_unavailable(w.task),
            },
            ensure_ascii=False,
        ),
    shell:
        "printf '%s\n' {params.text:q} > {output:q} 2> {log:q}"
