"""Errors of every potential on the test set of its task."""


localrules:
    unavailable,


rule evaluate:
    input:
        model=lambda w: paths.model_file(SCALE, w.task, Run.parse(w.run)),
        data=lambda w: paths.data_file(SCALE, w.task),
        split=lambda w: paths.split_files(SCALE, w.task),
    output:
        json="results/{scale}/unlabelled/evaluation/{task}/{run}.json",
        npz="results/{scale}/evaluation/{task}/{run}.npz",
    log:
        "results/{scale}/logs/evaluate/{task}/{run}.log",
    conda:
        "../environment.yml"
    threads: resources.task_resource(SCALE, "threads")
    resources:
        gpu=resources.task_resource(SCALE, "gpu"),
        mem_mb=resources.growing(resources.task_resource(SCALE, "mem_mb")),
        # The task's time is that of its training.
        runtime=lambda w: min(240, resources.task_resource(SCALE, "runtime")(w)),
    params:
        arguments=lambda w: arguments.evaluating(SCALE, w.task, Run.parse(w.run)),
        identity=lambda w: identity.of_model("evaluate", Run.parse(w.run).architecture),
    shell:
        "camp evaluate {input.model:q} {input.data:q} --json {output.json:q} --npz {output.npz:q}"
        " {params.arguments:q} > {log:q} 2>&1"


# A library's simple method on the same split; without the library, the reason why there is none.
rule rival:
    input:
        data=lambda w: paths.data_file(SCALE, w.task),
        split="results/{scale}/splits/{task}.json",
    output:
        settings="results/{scale}/rivals/{task}/settings.yaml",
        kernel_ridge="results/{scale}/rivals/{task}/kernel-ridge.json",
        mean="results/{scale}/rivals/{task}/mean.json",
    log:
        "results/{scale}/logs/rival/{task}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=60,
    params:
        # Of the first model; data and split are those of all.
        text=lambda w: arguments.training(SCALE, w.task, next(iter(SCALE.tasks[w.task].models))),
        generated=lambda w: "--generated" if SCALE.dataset_of(w.task).generate else "",
        identity=lambda w: identity.of_step("rival"),
    shell:
        "printf '%s' {params.text:q} > {output.settings:q};"
        " camp rival {output.settings:q} {output.kernel_ridge:q} {output.mean:q} --allow-missing"
        " {params.generated} > {log:q} 2>&1"


# Another potential, trained by the command line of its package; without it, the reason why there is
# none.
rule peer:
    input:
        data=lambda w: paths.data_file(SCALE, w.task),
        split="results/{scale}/splits/{task}.json",
        peer="cache/peers/{peer}.json",
        scripts=lambda w: [
            CONTESTANTS / name
            for name in ("train.py", "compare.py", "fitting.py", f"train_{w.peer}.py")
        ],
    output:
        "results/{scale}/unlabelled/rivals/{task}/{peer}-seed-{seed}.json",
    log:
        "results/{scale}/logs/peer/{task}/{peer}-seed-{seed}.log",
    wildcard_constraints:
        peer=paths.one_of(paths.trained_peers(SCALE)),
        seed=r"\d+",
    conda:
        "../environment.yml"
    threads: resources.task_resource(SCALE, "threads")
    resources:
        mem_mb=resources.growing(resources.task_resource(SCALE, "mem_mb")),
        runtime=resources.task_resource(SCALE, "runtime"),
    params:
        script=CONTESTANTS / "train.py",
        work="results/{scale}/rivals/{task}/{peer}-seed-{seed}",
        settings="results/{scale}/rivals/{task}/{peer}-seed-{seed}.yaml",
        # Of the first model. Labels in it make no other training, as in that of ours.
        text=lambda w, output: arguments.training(
            SCALE, w.task, next(iter(SCALE.tasks[w.task].models))
        ),
        arguments=lambda w: arguments.training_peer(SCALE, w.task),
        identity=lambda w: identity.of_peer(SCALE, w.task),
    shell:
        "printf '%s' {params.text:q} > {params.settings:q};"
        " python {params.script:q} {params.settings:q} {input.peer:q} {params.work:q}"
        " --seed {wildcards.seed} --json {output:q} {params.arguments:q} > {log:q} 2>&1"


# Stands in the place of an evaluation when a file could not be had.
rule unavailable:
    output:
        "results/{scale}/evaluation/{task}/unavailable/{run}.json",
    log:
        "results/{scale}/logs/unavailable/{task}/{run}.log",
    conda:
        "../environment.yml"
    params:
        text=lambda w: json.dumps(
            AVAILABLE.missing_evaluation(w.task, Run.parse(w.run)), ensure_ascii=False
        ),
    shell:
        "printf '%s\n' {params.text:q} > {output:q} 2> {log:q}"
