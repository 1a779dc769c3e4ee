"""From published files, own files or generators to one file of frames per dataset; splits."""


rule generate:
    output:
        "results/{scale}/data/{dataset}.xyz.gz",
    log:
        "results/{scale}/logs/generate/{dataset}.log",
    benchmark:
        "results/{scale}/benchmarks/generate/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(n for n, d in SCALE.datasets.items() if d.generate),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        kind=lambda w: SCALE.datasets[w.dataset].generate,
        frames=lambda w: SCALE.datasets[w.dataset].frames,
        seed=lambda w: SCALE.datasets[w.dataset].seed or 0,
        code=code("generate"),
    shell:
        "camp generate {params.kind} {output:q} --frames {params.frames} --seed {params.seed}"
        " > {log:q} 2>&1"


# With --allow-missing, what cannot be had is recorded with the reason and the rest goes on;
# 'snakemake --forcerun fetch' tries again.
checkpoint fetch:
    output:
        record="results/{scale}/fetched/{item}.json",
    log:
        "results/{scale}/logs/fetch/{item}.log",
    benchmark:
        "results/{scale}/benchmarks/fetch/{item}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        names=lambda w: TO_FETCH[w.item],
        folder=FETCHED,
        mirror=["--mirror", SCALE.mirror] if SCALE.mirror else [],
        missing=lambda w: ["--allow-missing"] if may_be_missing(w.item) else [],
        code=code("fetch"),
    shell:
        "camp fetch {params.names:q} --out {params.folder:q} {params.mirror:q}"
        " {params.missing:q} --record {output.record:q} > {log:q} 2>&1"


rule convert:
    input:
        records=lambda w: records(f"data-{w.dataset}"),
        files=lambda w: SCALE.files_of(w.dataset),
    output:
        "results/{scale}/data/{dataset}.xyz.gz",
    log:
        "results/{scale}/logs/convert/{dataset}.log",
    benchmark:
        "results/{scale}/benchmarks/convert/{dataset}.jsonl"
    wildcard_constraints:
        dataset=one_of(n for n, d in SCALE.datasets.items() if not d.generate),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        fetched=lambda w: fetched_files(f"data-{w.dataset}"),
        options=lambda w: convert_arguments(w.dataset),
        code=code("convert"),
    shell:
        "camp convert {input.files:q} {params.fetched:q} {output:q}"
        " {params.options:q} > {log:q} 2>&1"


rule split:
    input:
        lambda w: data_file(w.task),
    output:
        "results/{scale}/splits/{task}.json",
    log:
        "results/{scale}/logs/split/{task}.log",
    benchmark:
        "results/{scale}/benchmarks/split/{task}.jsonl"
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        sizes=lambda w: split_arguments(w.task),
        code=code("split"),
    shell:
        "camp split {input:q} {output:q} {params.sizes:q} > {log:q} 2>&1"
