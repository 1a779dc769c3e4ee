"""Notebooks, executed on the results of one task or simulation; what they look at comes in the environment."""


rule notebook:
    input:
        unpack(notebook_inputs),
        notebook=lambda w: str(BASE / "notebooks" / f"{w.name}.ipynb"),
    output:
        ipynb="results/{scale}/notebooks/{name}.ipynb",
        html=report(
            "results/{scale}/notebooks/{name}.html",
            caption="../report/notebook.rst",
            category="Notebooks",
            labels={"name": "{name}", "scale": "{scale}"},
        ),
    log:
        "results/{scale}/logs/notebook/{name}.log",
    benchmark:
        "results/{scale}/benchmarks/notebook/{name}.jsonl"
    wildcard_constraints:
        name=one_of(NOTEBOOKS),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        environment=notebook_environment,
        code=code("notebook"),
    shell:
        "env {params.environment:q} jupyter nbconvert --execute --to notebook --log-level WARN"
        " --output-dir $(dirname {output.ipynb:q}) --output {wildcards.name}.ipynb"
        " {input.notebook:q} > {log:q} 2>&1;"
        " jupyter nbconvert --to html --log-level WARN {output.ipynb:q} >> {log:q} 2>&1"
