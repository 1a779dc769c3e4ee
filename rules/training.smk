"""Potentials: trained here, or imported from the authors' published weights."""


localrules:
    settings,


# Everything about a model of a task in one file, from which its training can be repeated by hand.
rule settings:
    output:
        "results/{scale}/settings/{task}/{architecture}.yaml",
    log:
        "results/{scale}/logs/settings/{task}/{architecture}.log",
    benchmark:
        "results/{scale}/benchmarks/settings/{task}/{architecture}.jsonl"
    conda:
        "../environment.yml"
    params:
        text=lambda w: SCALE.training_settings(
            w.task, w.architecture, data=data_file(w.task), split=split_files(w.task)[0]
        ).to_yaml(),
    shell:
        "printf '%s' {params.text:q} > {output:q} 2> {log:q}"


# An interrupted training keeps its checkpoints beside the declared outputs and continues.
rule train:
    input:
        settings="results/{scale}/settings/{task}/{architecture}.yaml",
        data=lambda w: data_file(w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        model="results/{scale}/training/{task}/{architecture}-seed-{seed}/model.safetensors",
        metrics="results/{scale}/training/{task}/{architecture}-seed-{seed}/metrics.csv",
        summary="results/{scale}/training/{task}/{architecture}-seed-{seed}/training.json",
    log:
        "results/{scale}/logs/train/{task}/{architecture}-seed-{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/train/{task}/{architecture}-seed-{seed}.jsonl"
    wildcard_constraints:
        task=one_of(task for task in SCALE.tasks if task not in TOGETHER),
        seed=r"\d+",
    conda:
        "../environment.yml"
    threads: resource("threads")
    resources:
        gpu=resource("gpu"),
        mem_mb=resource("mem_mb"),
        runtime=resource("runtime"),
    params:
        folder=subpath(output.model, parent=True),
        cache=GRAPH_CACHE,
        device=training_device,
        code=code("train"),
    shell:
        "camp train {input.settings:q} --seed {wildcards.seed} --out {params.folder:q} --resume"
        " --cache {params.cache:q} {params.device:q} > {log:q} 2>&1"


# All seeds of a task in one job.
rule train_together:
    input:
        settings="results/{scale}/settings/{task}/{architecture}.yaml",
        data=lambda w: data_file(w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        expand(
            "results/{{scale}}/training/{{task}}/{{architecture}}-seed-{seed}/{name}",
            seed=SCALE.seeds,
            name=["model.safetensors", "metrics.csv", "training.json"],
        ),
    log:
        "results/{scale}/logs/train/{task}/{architecture}-seeds.log",
    benchmark:
        "results/{scale}/benchmarks/train/{task}/{architecture}-seeds.jsonl"
    wildcard_constraints:
        task=one_of(TOGETHER),
    conda:
        "../environment.yml"
    threads: resource("threads")
    resources:
        gpu=resource("gpu"),
        mem_mb=resource("mem_mb"),
        runtime=resource("runtime"),
    params:
        folder=subpath(output[0], ancestor=2),
        seeds=SCALE.seeds,
        cache=GRAPH_CACHE,
        device=training_device,
        code=code("train"),
    shell:
        "camp train {input.settings:q} --seed {params.seeds} --out {params.folder:q} --resume"
        " --cache {params.cache:q} {params.device:q} > {log:q} 2>&1"


rule import_published:
    input:
        lambda w: records(f"weights-{w.task}-{w.architecture}"),
    output:
        "results/{scale}/published/{task}/{architecture}-published/model.safetensors",
    log:
        "results/{scale}/logs/import/{task}/{architecture}.log",
    benchmark:
        "results/{scale}/benchmarks/import/{task}/{architecture}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        checkpoint=lambda w: fetched_files(f"weights-{w.task}-{w.architecture}"),
        code=code("import"),
    shell:
        "camp import {params.checkpoint:q} {output:q} > {log:q} 2>&1"
