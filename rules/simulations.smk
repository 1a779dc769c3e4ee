"""Molecular dynamics and scans of the energy: starting structures, trajectories, observables."""


localrules:
    simulation_settings,
    not_simulated,


# Everything about a simulation, from which it can be repeated by hand.
rule simulation_settings:
    output:
        md="results/{scale}/md/{simulation}/md.yaml",
        analysis="results/{scale}/md/{simulation}/analysis.yaml",
    log:
        "results/{scale}/logs/simulation_settings/{simulation}.log",
    benchmark:
        "results/{scale}/benchmarks/simulation_settings/{simulation}.jsonl"
    conda:
        "../environment.yml"
    params:
        md=lambda w: yaml.safe_dump(SCALE.simulations[w.simulation]["md"], sort_keys=False),
        analysis=lambda w: analysis_settings(w.simulation),
    shell:
        "(printf '%s' {params.md:q} > {output.md:q};"
        " printf '%s' {params.analysis:q} > {output.analysis:q}) 2> {log:q}"


rule start:
    input:
        starting_inputs,
    output:
        "results/{scale}/md/{simulation}/start.xyz",
    log:
        "results/{scale}/logs/start/{simulation}.log",
    benchmark:
        "results/{scale}/benchmarks/start/{simulation}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        source=starting_source,
        arguments=lambda w: starting_arguments(w.simulation),
        code=code("select"),
    shell:
        "camp select {params.source:q} {output:q} {params.arguments:q} > {log:q} 2>&1"


# Trajectories stand beside the declared output, so that an interrupted simulation continues.
rule simulate:
    input:
        model=lambda w: simulated_model(w.simulation),
        start="results/{scale}/md/{simulation}/start.xyz",
        settings="results/{scale}/md/{simulation}/md.yaml",
    output:
        "results/{scale}/md/{simulation}/{part}/simulation.json",
    log:
        "results/{scale}/logs/simulate/{simulation}/{part}.log",
    benchmark:
        "results/{scale}/benchmarks/simulate/{simulation}/{part}.jsonl"
    wildcard_constraints:
        part=r"all|replica-\d+",
    conda:
        "../environment.yml"
    threads: simulation_resource("threads")
    resources:
        gpu=simulation_resource("gpu"),
        mem_mb=simulation_resource("mem_mb"),
        runtime=simulation_resource("runtime"),
    params:
        folder=subpath(output[0], parent=True),
        replicas=lambda w: (
            [] if w.part == "all" else ["--replicas", w.part.removeprefix("replica-")]
        ),
        device=lambda w: (
            ["--device", "cuda"] if simulation_resource("gpu")(w) else ["--device", "cpu"]
        ),
        code=code("simulate"),
    shell:
        "camp md {input.model:q} {input.start:q} --config {input.settings:q}"
        " --out {params.folder:q} --set-aside {params.replicas:q} {params.device:q}"
        " > {log:q} 2>&1"


rule analyse:
    input:
        simulations=lambda w: simulation_files(w.simulation),
        settings="results/{scale}/md/{simulation}/analysis.yaml",
        bonds=lambda w: bond_reference(w.simulation),
    output:
        "results/{scale}/md/{simulation}/analysis.json",
    log:
        "results/{scale}/logs/analyse/{simulation}.log",
    benchmark:
        "results/{scale}/benchmarks/analyse/{simulation}.jsonl"
    wildcard_constraints:
        simulation=one_of(SCALE.simulations),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        folders=lambda w, input: [str(Path(file).parent) for file in input.simulations],
        bonds=lambda w, input: ["--bonds", *input.bonds] if input.bonds else [],
        labels=lambda w: analysis_labels(w.simulation),
        code=code("analyse"),
    shell:
        "camp analyse {params.folders:q} --config {input.settings:q} --out {output:q}"
        " --scale {wildcards.scale} {params.bonds:q} {params.labels:q} > {log:q} 2>&1"


# Stands in the place of the analysis when a file could not be had.
rule not_simulated:
    output:
        "results/{scale}/md/{simulation}/unavailable.json",
    log:
        "results/{scale}/logs/not_simulated/{simulation}.log",
    benchmark:
        "results/{scale}/benchmarks/not_simulated/{simulation}.jsonl"
    conda:
        "../environment.yml"
    params:
        text=lambda w: json.dumps(
            {
                "simulation": w.simulation,
                "architecture": architecture(SCALE.simulations[w.simulation]["task"]),
                "scale": w.scale,
                "unavailable": why_not_simulated(w.simulation),
            },
            ensure_ascii=False,
        ),
    shell:
        "printf '%s\n' {params.text:q} > {output:q} 2> {log:q}"


# The structure of an ab initio trajectory, analysed like our own.
rule reference_analysis:
    input:
        data=lambda w: f"results/{w.scale}/data/{SCALE.references['aimd']['dataset']}.xyz.gz",
        settings="results/{scale}/md/lips/analysis.yaml",
        msd=lambda w: SCALE.reference_file("aimd", "msd"),
    output:
        "results/{scale}/references/aimd.json",
    log:
        "results/{scale}/logs/reference_analysis/aimd.log",
    benchmark:
        "results/{scale}/benchmarks/reference_analysis/aimd.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        msd=lambda w, input: ["--msd", input.msd] if input.get("msd") else [],
        label=lambda w: SCALE.datasets[SCALE.references["aimd"]["dataset"]].get("data", SCALE.data),
        generated=lambda w: generated(SCALE.references["aimd"]["dataset"]),
        code=code("analyse"),
    shell:
        "camp analyse --reference {input.data:q} --config {input.settings:q} --out {output:q}"
        " --scale {wildcards.scale} --data-label {params.label:q} {params.generated:q}"
        " {params.msd:q} > {log:q} 2>&1"


rule interlayer_scan:
    input:
        model=lambda w: model_file(w.task, w.run),
        data=lambda w: data_file(w.task),
    output:
        "results/{scale}/scans/interlayer/{task}/{run}.json",
    log:
        "results/{scale}/logs/interlayer_scan/{task}/{run}.log",
    benchmark:
        "results/{scale}/benchmarks/interlayer_scan/{task}/{run}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        label=lambda w: SCALE.tasks[w.task]["data"],
        weights=SCALE.weights,
        generated=lambda w: generated(SCALE.tasks[w.task]["dataset"]),
        seed=lambda w: ["--seed", w.run.removeprefix("seed-")] if w.run != "published" else [],
        code=code("scan"),
    shell:
        "camp scan interlayer {input.model:q} --references {input.data:q} --out {output:q}"
        " --scale {wildcards.scale} --data-label {params.label:q} --weights {params.weights}"
        " {params.generated:q} {params.seed:q} > {log:q} 2>&1"


# The energy of one pair across the cutoff, for the models of the simulations of NVE.
rule dimer_scan:
    input:
        model=lambda w: simulated_model(w.simulation),
    output:
        "results/{scale}/scans/dimer/{simulation}.json",
    log:
        "results/{scale}/logs/dimer_scan/{simulation}.log",
    benchmark:
        "results/{scale}/benchmarks/dimer_scan/{simulation}.jsonl"
    wildcard_constraints:
        simulation=one_of(SCALE.simulations),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        label=lambda w: SCALE.simulations[w.simulation]["data"],
        weights=SCALE.weights,
        generated=lambda w: simulation_generated(w.simulation),
        code=code("scan"),
    shell:
        "camp scan dimer {input.model:q} --out {output:q} --scale {wildcards.scale}"
        " --data-label {params.label:q} --weights {params.weights} {params.generated:q}"
        " > {log:q} 2>&1"
