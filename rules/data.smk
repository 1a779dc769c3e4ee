"""From published files, own files or generators to one file of frames per dataset; splits."""


localrules:
    download,
    fetch,


rule generate:
    output:
        "results/{scale}/data/{dataset}.xyz.gz",
    log:
        "results/{scale}/logs/generate/{dataset}.log",
    wildcard_constraints:
        dataset=paths.one_of(n for n, d in SCALE.datasets.items() if d.generate),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(2000),
        runtime=60,
    params:
        kind=lambda w: SCALE.datasets[w.dataset].generate,
        frames=lambda w: SCALE.datasets[w.dataset].frames,
        seed=lambda w: SCALE.datasets[w.dataset].seed or 0,
        identity=lambda w: identity.of_step("generate"),
    shell:
        "camp generate {params.kind} {output:q} --frames {params.frames} --seed {params.seed}"
        " > {log:q} 2>&1"


# A public file that the scale needs.
rule download:
    output:
        f"{fetching.FOLDER}/{{file}}",
    log:
        f"results/{SCALE.name}/logs/download/{{file}}.log",
    wildcard_constraints:
        file=paths.one_of(fetching.names_by_file(SCALE)),
    conda:
        "../environment.yml"
    # No parameter: from where a file comes makes no other file of it.
    resources:
        mirror=MIRROR,
    params:
        folder=lambda w, output: fetching.folder_of(output[0], w.file),
        name=lambda w: fetching.names_by_file(SCALE)[w.file],
        content=lambda w: fetching.content_of(fetching.names_by_file(SCALE)[w.file]),
    shell:
        "camp fetch {params.name:q} --out {params.folder:q} {resources.mirror} > {log:q} 2>&1"


# Public files that the scale can do without: what cannot be had is recorded with the reason and the
# rest goes on; 'snakemake --forcerun fetch' tries again.
checkpoint fetch:
    output:
        record="results/{scale}/fetched/{item}.json",
    log:
        "results/{scale}/logs/fetch/{item}.log",
    wildcard_constraints:
        item=paths.one_of(fetching.optional_items(SCALE)),
    conda:
        "../environment.yml"
    params:
        folder=fetching.FOLDER,
        names=lambda w: fetching.items(SCALE)[w.item],
        mirror=MIRROR,
    shell:
        "camp fetch {params.names:q} --out {params.folder:q} {params.mirror} --allow-missing"
        " --record {output.record:q} > {log:q} 2>&1"


rule convert:
    input:
        files=lambda w: SCALE.files_of(w.dataset),
        fetched=lambda w: AVAILABLE.fetched(fetching.data_item(w.dataset)),
        left_out=lambda w: AVAILABLE.fetched(fetching.left_out_item(w.dataset)),
    output:
        "results/{scale}/data/{dataset}.xyz.gz",
    log:
        "results/{scale}/logs/convert/{dataset}.log",
    wildcard_constraints:
        dataset=paths.one_of(n for n, d in SCALE.datasets.items() if not d.generate),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(8000),
        runtime=240,
    params:
        options=lambda w: arguments.converting(SCALE, w.dataset),
        without=lambda w, input: ["--without", *input.left_out] if input.left_out else [],
        identity=lambda w: identity.of_step("convert"),
    shell:
        "camp convert {input.files:q} {input.fetched:q} {output:q}"
        " {params.options:q} {params.without:q} > {log:q} 2>&1"


rule split:
    input:
        lambda w: paths.data_file(SCALE, w.task),
    output:
        "results/{scale}/splits/{task}.json",
    log:
        "results/{scale}/logs/split/{task}.log",
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(8000),
        runtime=60,
    params:
        sizes=lambda w: arguments.splitting(SCALE, w.task),
        identity=lambda w: identity.of_step("split"),
    shell:
        "camp split {input:q} {output:q} {params.sizes:q} > {log:q} 2>&1"
