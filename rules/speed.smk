"""Speed on this machine: our potentials, the literal equations, and peers if they are asked for."""


# Kept outside of the results: an environment takes minutes and a gigabyte.
rule peer_environment:
    input:
        CONTESTANTS / "install.py",
    output:
        "cache/peers/{peer}.json",
    log:
        "cache/peers/{peer}.log",
    wildcard_constraints:
        peer=one_of(SCALE.speed.peers),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        folder="cache/peers/{peer}",
    shell:
        "python {input:q} {wildcards.peer} {params.folder:q} --out {output:q} > {log:q} 2>&1"


# Takes all cores, so that nothing else runs meanwhile; the contestants come one after another.
rule speed:
    input:
        model=lambda w: simulated_model(w.simulation),
        start="results/{scale}/md/{simulation}/start.xyz",
        peers=expand("cache/peers/{peer}.json", peer=SCALE.speed.peers),
        scripts=sorted(CONTESTANTS.glob("*.py")),
    output:
        "results/{scale}/speed/{simulation}.json",
    log:
        "results/{scale}/logs/speed/{simulation}.log",
    benchmark:
        "results/{scale}/benchmarks/speed/{simulation}.jsonl"
    wildcard_constraints:
        simulation=one_of(SCALE.speed.simulations),
    conda:
        "../environment.yml"
    threads: max(workflow.resource_settings.cores or 1, SCALE.speed.threads)
    resources:
        gpu=simulation_resource("gpu"),
        mem_mb=8000,
        runtime=60,
    params:
        script=CONTESTANTS / "compare.py",
        peers=lambda w, input: [text for file in input.peers for text in ("--peer", file)],
        measuring=lambda w: speed_arguments(w.simulation),
        labels=lambda w: speed_labels(w.simulation),
        code=code("speed"),
    shell:
        "python {params.script:q} {input.model:q} {input.start:q} --out {output:q}"
        " {params.peers:q} {params.measuring:q} --scale {wildcards.scale} {params.labels:q}"
        " > {log:q} 2>&1"
