"""Speed on this machine: our potentials, the literal equations, and peers if they are asked for."""


# From the network.
localrules:
    peer_environment,


# Kept outside of the results: an environment takes minutes and a gigabyte.
rule peer_environment:
    input:
        CONTESTANTS / "install.py",
    output:
        "cache/peers/{peer}.json",
    log:
        "cache/peers/{peer}.log",
    wildcard_constraints:
        peer=paths.one_of([*SCALE.speed.peers, *paths.trained_peers(SCALE)]),
    conda:
        "../environment.yml"
    params:
        folder="cache/peers/{peer}",
    shell:
        "python {input:q} {wildcards.peer} {params.folder:q} --out {output:q} > {log:q} 2>&1"


# Takes all cores, so that nothing else runs meanwhile; the contestants come one after another.
rule speed:
    input:
        model=lambda w: paths.simulated_model(SCALE, w.simulation),
        start="results/{scale}/md/{simulation}/start.xyz",
        peers=expand("cache/peers/{peer}.json", peer=SCALE.speed.peers),
        scripts=sorted(CONTESTANTS.glob("*.py")),
    output:
        "results/{scale}/unlabelled/speed/{simulation}.json",
    log:
        "results/{scale}/logs/speed/{simulation}.log",
    wildcard_constraints:
        simulation=paths.one_of(SCALE.speed.simulations),
    conda:
        "../environment.yml"
    threads: max(workflow.resource_settings.cores or 1, SCALE.speed.threads)
    resources:
        gpu=resources.simulation_resource(SCALE, "gpu"),
        mem_mb=resources.growing(8000),
        runtime=60,
    params:
        script=CONTESTANTS / "compare.py",
        peers=lambda w, input: [text for file in input.peers for text in ("--peer", file)],
        arguments=lambda w: arguments.measuring_speed(SCALE, w.simulation),
        identity=lambda w: identity.of_speed(SCALE, w.simulation),
    shell:
        "python {params.script:q} {input.model:q} {input.start:q} --out {output:q}"
        " {params.peers:q} {params.arguments:q} > {log:q} 2>&1"
