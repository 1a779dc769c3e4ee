"""What people read beside a result: a changed title or note computes nothing."""


localrules:
    label,


rule label:
    input:
        "results/{scale}/unlabelled/{result}.json",
    output:
        "results/{scale}/{result}.json",
    log:
        "results/{scale}/logs/label/{result}.log",
    wildcard_constraints:
        result=paths.LABELLED,
    conda:
        "../environment.yml"
    params:
        labels=lambda w: arguments.labels(SCALE, w.result),
    shell:
        "camp label {input:q} {output:q} {params.labels:q} > {log:q} 2>&1"
