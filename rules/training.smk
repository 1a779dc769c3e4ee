"""Potentials: trained here, or imported from the authors' published weights."""


localrules:
    import_published,


# An interrupted training keeps its checkpoints beside the declared outputs and continues. Everything
# about it is in one file, from which it can be repeated by hand. A title there makes no other training,
# and Snakemake looks for no change in what is derived from outputs; what does is in the identity.
rule train:
    input:
        data=lambda w: paths.data_file(SCALE, w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        model="results/{scale}/training/{task}/{architecture}-seed-{seed}/model.safetensors",
        metrics="results/{scale}/training/{task}/{architecture}-seed-{seed}/metrics.csv",
        summary="results/{scale}/training/{task}/{architecture}-seed-{seed}/training.json",
    log:
        "results/{scale}/logs/train/{task}/{architecture}-seed-{seed}.log",
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
        settings="results/{scale}/training/{task}/{architecture}-seed-{seed}.yaml",
        text=lambda w, output: arguments.training(SCALE, w.task, w.architecture),
        cache=paths.GRAPH_CACHE,
        device=lambda w: arguments.training_device(SCALE, w.task),
        identity=lambda w: identity.of_training(SCALE, w.task, w.architecture),
    shell:
        "printf '%s' {params.text:q} > {params.settings:q};"
        " camp train {params.settings:q} --seed {wildcards.seed} --out {params.folder:q} --resume"
        " --set-aside --cache {params.cache:q} {params.device:q} > {log:q} 2>&1"


# All seeds of a model in one job.
rule train_together:
    input:
        data=lambda w: paths.data_file(SCALE, w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        expand(
            "results/{{scale}}/training/{{task}}/{{architecture}}-seed-{seed}/{name}",
            seed=SCALE.seeds,
            name=["model.safetensors", "metrics.csv", "training.json"],
        ),
    log:
        "results/{scale}/logs/train/{task}/{architecture}-seeds.log",
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
        settings="results/{scale}/training/{task}/{architecture}-seeds.yaml",
        text=lambda w, output: arguments.training(SCALE, w.task, w.architecture),
        seeds=SCALE.seeds,
        cache=paths.GRAPH_CACHE,
        device=lambda w: arguments.training_device(SCALE, w.task),
        identity=lambda w: identity.of_training(SCALE, w.task, w.architecture),
    shell:
        "printf '%s' {params.text:q} > {params.settings:q};"
        " camp train {params.settings:q} --seed {params.seeds} --out {params.folder:q} --resume"
        " --set-aside --cache {params.cache:q} {params.device:q} > {log:q} 2>&1"


rule import_published:
    input:
        lambda w: AVAILABLE.fetched(fetching.weights_item(w.task, w.architecture)),
    output:
        "results/{scale}/published/{task}/{architecture}-published/model.safetensors",
    log:
        "results/{scale}/logs/import/{task}/{architecture}.log",
    conda:
        "../environment.yml"
    params:
        identity=lambda w: identity.of_model("import", w.architecture, reading=True),
    shell:
        "camp import {input:q} {output:q} > {log:q} 2>&1"
