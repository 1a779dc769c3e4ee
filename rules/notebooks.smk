"""Notebooks, executed on the results of one task or simulation; what they look at comes in the environment."""


rule notebook:
    input:
        unpack(lambda w: notebooks.inputs(SCALE, w.name)),
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
    wildcard_constraints:
        name=paths.one_of(notebooks.topics(SCALE)),
    conda:
        "../environment.yml"
    threads: 1
    resources:
        mem_mb=resources.growing(3000),
        runtime=30,
    params:
        environment=lambda w, input: notebooks.environment(SCALE, w.name, dict(input.items())),
        identity=lambda w: identity.of_step("notebook"),
    shell:
        "env {params.environment:q} jupyter nbconvert --execute --to notebook --log-level WARN"
        " --output-dir $(dirname {output.ipynb:q}) --output {wildcards.name}.ipynb"
        " {input.notebook:q} > {log:q} 2>&1;"
        " jupyter nbconvert --to html --log-level WARN {output.ipynb:q} >> {log:q} 2>&1"
