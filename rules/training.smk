"""Potentials: trained here, or imported from the authors' published weights."""


localrules:
    settings,
    import_published,


# Everything about a task in one file, from which its training can be repeated by hand.
rule settings:
    output:
        "results/{scale}/settings/{task}.yaml",
    log:
        "results/{scale}/logs/settings/{task}.log",
    conda:
        "../environment.yml"
    params:
        text=lambda w: arguments.as_yaml(
            SCALE.training_settings(
                w.task,
                data=paths.data_file(SCALE, w.task),
                split=paths.split_files(SCALE, w.task)[0],
            )
        ),
    shell:
        "printf '%s' {params.text:q} > {output:q} 2> {log:q}"


# An interrupted training keeps its checkpoints beside the declared outputs and continues. A title
# in the settings makes no other training; what does is in the identity.
rule train:
    input:
        settings=ancient("results/{scale}/settings/{task}.yaml"),
        data=lambda w: paths.data_file(SCALE, w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        model="results/{scale}/training/{task}/seed-{seed}/model.safetensors",
        metrics="results/{scale}/training/{task}/seed-{seed}/metrics.csv",
        summary="results/{scale}/training/{task}/seed-{seed}/training.json",
    log:
        "results/{scale}/logs/train/{task}/seed-{seed}.log",
    wildcard_constraints:
        task=paths.one_of(task for task in SCALE.tasks if task not in paths.together(SCALE)),
        seed=r"\d+",
    conda:
        "../environment.yml"
    threads: resources.task_resource(SCALE, "threads")
    resources:
        gpu=resources.task_resource(SCALE, "gpu"),
        mem_mb=resources.growing(resources.task_resource(SCALE, "mem_mb")),
        runtime=resources.task_resource(SCALE, "runtime"),
    params:
        folder=subpath(output.model, parent=True),
        cache=paths.GRAPH_CACHE,
        device=lambda w: arguments.training_device(SCALE, w.task),
        identity=lambda w: identity.of_training(SCALE, w.task),
    shell:
        "camp train {input.settings:q} --seed {wildcards.seed} --out {params.folder:q} --resume"
        " --cache {params.cache:q} {params.device:q} > {log:q} 2>&1"


# All seeds of a task in one job.
rule train_together:
    input:
        settings=ancient("results/{scale}/settings/{task}.yaml"),
        data=lambda w: paths.data_file(SCALE, w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        expand(
            "results/{{scale}}/training/{{task}}/seed-{seed}/{name}",
            seed=SCALE.seeds,
            name=["model.safetensors", "metrics.csv", "training.json"],
        ),
    log:
        "results/{scale}/logs/train/{task}/seeds.log",
    wildcard_constraints:
        task=paths.one_of(paths.together(SCALE)),
    conda:
        "../environment.yml"
    threads: resources.task_resource(SCALE, "threads")
    resources:
        gpu=resources.task_resource(SCALE, "gpu"),
        mem_mb=resources.growing(resources.task_resource(SCALE, "mem_mb")),
        runtime=resources.task_resource(SCALE, "runtime"),
    params:
        folder=subpath(output[0], ancestor=2),
        seeds=SCALE.seeds,
        cache=paths.GRAPH_CACHE,
        device=lambda w: arguments.training_device(SCALE, w.task),
        identity=lambda w: identity.of_training(SCALE, w.task),
    shell:
        "camp train {input.settings:q} --seed {params.seeds} --out {params.folder:q} --resume"
        " --cache {params.cache:q} {params.device:q} > {log:q} 2>&1"


rule import_published:
    input:
        lambda w: AVAILABLE.fetched(f"weights-{w.task}"),
    output:
        "results/{scale}/published/{task}/model.safetensors",
    log:
        "results/{scale}/logs/import/{task}.log",
    conda:
        "../environment.yml"
    params:
        identity=lambda w: identity.of_task("import", SCALE, w.task, reading=True),
    shell:
        "camp import {input:q} {output:q} > {log:q} 2>&1"
