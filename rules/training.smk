"""Potentials: trained here, or imported from the authors' published weights."""


localrules:
    settings,


# Everything about a task in one file, from which its training can be repeated by hand.
rule settings:
    output:
        "results/{scale}/settings/{task}.yaml",
    log:
        "results/{scale}/logs/settings/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/settings/{task}.jsonl"
    conda:
        "../environment.yml"
    params:
        text=lambda w: yaml.safe_dump(
            SCALE.training_settings(w.task, data=data_file(w.task), split=split_files(w.task)[0]),
            sort_keys=False,
            allow_unicode=True,
        ),
    shell:
        "printf '%s' {params.text:q} > {output:q} 2> {log:q}"


# An interrupted training keeps its checkpoints beside the declared outputs and continues.
rule train:
    input:
        settings="results/{scale}/settings/{task}.yaml",
        data=lambda w: data_file(w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        model="results/{scale}/training/{task}/seed-{seed}/model.safetensors",
        metrics="results/{scale}/training/{task}/seed-{seed}/metrics.csv",
        summary="results/{scale}/training/{task}/seed-{seed}/training.json",
    log:
        "results/{scale}/logs/train/{task}/seed-{seed}.log",
    benchmark:
        "results/{scale}/benchmarks/train/{task}/seed-{seed}.jsonl"
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
        settings="results/{scale}/settings/{task}.yaml",
        data=lambda w: data_file(w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        expand(
            "results/{{scale}}/training/{{task}}/seed-{seed}/{name}",
            seed=SCALE.seeds,
            name=["model.safetensors", "metrics.csv", "training.json"],
        ),
    log:
        "results/{scale}/logs/train/{task}/seeds.log",
    benchmark:
        "results/{scale}/benchmarks/train/{task}/seeds.jsonl"
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
        lambda w: records(f"weights-{w.task}"),
    output:
        "results/{scale}/published/{task}/model.safetensors",
    log:
        "results/{scale}/logs/import/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/import/{task}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        checkpoint=lambda w: fetched_files(f"weights-{w.task}"),
        code=code("import"),
    shell:
        "camp import {params.checkpoint:q} {output:q} > {log:q} 2>&1"
