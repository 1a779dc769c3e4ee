"""Molecular dynamics and scans of the energy: starting structures, trajectories, observables."""


localrules:
    analysis_settings,
    not_simulated,


rule analysis_settings:
    output:
        "results/{scale}/md/{simulation}/analysis.yaml",
    log:
        "results/{scale}/logs/analysis_settings/{simulation}.log",
    conda:
        "../environment.yml"
    params:
        text=lambda w: to_yaml(SCALE.simulations[w.simulation].analysis.model_dump()),
    shell:
        "printf '%s' {params.text:q} > {output:q} 2> {log:q}"


rule start:
    input:
        source=lambda w: AVAILABLE.starting_structures(w.simulation),
        split=lambda w: arguments.starting_split(SCALE, w.simulation),
    output:
        "results/{scale}/md/{simulation}/start.xyz",
    log:
        "results/{scale}/logs/start/{simulation}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=30,
    params:
        arguments=lambda w: arguments.starting(SCALE, w.simulation),
        identity=lambda w: identity.of_step("start"),
    shell:
        "camp select {input.source:q} {output:q} {params.arguments:q} > {log:q} 2>&1"


# Trajectories stand beside the declared output, so that an interrupted simulation continues. More
# replicas make no other simulation of those that there are, so the settings are derived from an
# output, where Snakemake looks for no change.
rule simulate:
    input:
        model=lambda w: paths.simulated_model(SCALE, w.simulation),
        start="results/{scale}/md/{simulation}/start.xyz",
    output:
        "results/{scale}/md/{simulation}/{part}/simulation.json",
    log:
        "results/{scale}/logs/simulate/{simulation}/{part}.log",
    wildcard_constraints:
        part=r"all|replica-\d+",
    conda:
        "../environment.yml"
    threads: resources.simulation_resource(SCALE, "threads")
    resources:
        gpu=resources.simulation_resource(SCALE, "gpu"),
        mem_mb=resources.growing(resources.simulation_resource(SCALE, "mem_mb")),
        runtime=resources.simulation_resource(SCALE, "runtime"),
    params:
        folder=subpath(output[0], parent=True),
        settings="results/{scale}/md/{simulation}/{part}.yaml",
        text=lambda w, output: to_yaml(SCALE.simulations[w.simulation].md.model_dump()),
        replicas=lambda w: arguments.replicas(w.part),
        device=lambda w: arguments.device(SCALE.simulations[w.simulation].resources),
        identity=lambda w: identity.of_simulation(SCALE, w.simulation, w.part),
    shell:
        "printf '%s' {params.text:q} > {params.settings:q};"
        " camp md {input.model:q} {input.start:q} --config {params.settings:q}"
        " --out {params.folder:q} --set-aside {params.replicas:q} {params.device:q}"
        " > {log:q} 2>&1"


rule analyse:
    input:
        simulations=lambda w: paths.summary_files(SCALE, w.simulation),
        settings="results/{scale}/md/{simulation}/analysis.yaml",
        bonds=lambda w: paths.bond_files(SCALE, w.simulation),
    output:
        "results/{scale}/unlabelled/md/{simulation}/analysis.json",
    log:
        "results/{scale}/logs/analyse/{simulation}.log",
    wildcard_constraints:
        simulation=paths.one_of(SCALE.simulations),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(4000),
        runtime=120,
    params:
        folders=lambda w, input: [str(Path(file).parent) for file in input.simulations],
        bonds=lambda w, input: ["--bonds", *input.bonds] if input.bonds else [],
        arguments=lambda w: arguments.analysing(SCALE, w.simulation),
        identity=lambda w: identity.of_step("analyse"),
    shell:
        "camp analyse {params.folders:q} --config {input.settings:q} --out {output:q}"
        " {params.bonds:q} {params.arguments:q} > {log:q} 2>&1"


# Stands in the place of the analysis when a file could not be had.
rule not_simulated:
    output:
        "results/{scale}/md/{simulation}/unavailable.json",
    log:
        "results/{scale}/logs/not_simulated/{simulation}.log",
    conda:
        "../environment.yml"
    params:
        text=lambda w: json.dumps(AVAILABLE.missing_analysis(w.simulation), ensure_ascii=False),
    shell:
        "printf '%s\n' {params.text:q} > {output:q} 2> {log:q}"


# The structure of an ab initio trajectory, analysed like our own.
rule reference_analysis:
    input:
        data=lambda w: paths.dataset_file(SCALE, paths.reference_dataset(SCALE)),
        settings=f"results/{{scale}}/md/{paths.DYNAMICS_LIKE}/analysis.yaml",
        msd=lambda w: paths.displacement_files(SCALE),
    output:
        f"results/{{scale}}/unlabelled/references/{paths.DYNAMICS}.json",
    log:
        f"results/{{scale}}/logs/reference_analysis/{paths.DYNAMICS}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(8000),
        runtime=120,
    params:
        msd=lambda w, input: ["--msd", *input.msd] if input.msd else [],
        arguments=lambda w: arguments.analysing_reference(SCALE),
        identity=lambda w: identity.of_step("analyse"),
    shell:
        "camp analyse --reference {input.data:q} --config {input.settings:q} --out {output:q}"
        " {params.msd:q} {params.arguments:q} > {log:q} 2>&1"


rule interlayer_scan:
    input:
        model=lambda w: paths.model_file(SCALE, w.task, Run.parse(w.run)),
        data=lambda w: paths.data_file(SCALE, w.task),
    output:
        "results/{scale}/unlabelled/scans/interlayer/{task}/{run}.json",
    log:
        "results/{scale}/logs/interlayer_scan/{task}/{run}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=60,
    params:
        arguments=lambda w: arguments.scanning_layers(SCALE, w.task, Run.parse(w.run)),
        identity=lambda w: identity.of_model("scan", Run.parse(w.run).architecture),
    shell:
        "camp scan interlayer {input.model:q} --references {input.data:q} --out {output:q}"
        " {params.arguments:q} > {log:q} 2>&1"


# The energy of one pair across the cutoff, for the models of the simulations of NVE.
rule dimer_scan:
    input:
        model=lambda w: paths.simulated_model(SCALE, w.simulation),
    output:
        "results/{scale}/unlabelled/scans/dimer/{simulation}.json",
    log:
        "results/{scale}/logs/dimer_scan/{simulation}.log",
    wildcard_constraints:
        simulation=paths.one_of(SCALE.simulations),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=30,
    params:
        arguments=lambda w: arguments.scanning_pair(SCALE, w.simulation),
        identity=lambda w: identity.of_dimer_scan(SCALE, w.simulation),
    shell:
        "camp scan dimer {input.model:q} --out {output:q} {params.arguments:q} > {log:q} 2>&1"
