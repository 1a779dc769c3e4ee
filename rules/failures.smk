"""After a failed run: the scoreboard of what was computed, with the reasons why the rest is missing."""

import tempfile

from snakemake.io import strip_wildcard_constraints


def rule_paths():
    """Outputs and log of every rule."""
    plain = strip_wildcard_constraints
    return {
        one.name: failures.RulePaths([plain(file) for file in one.output], plain(one.log[0]))
        for one in workflow.rules
        if one.log
    }


onerror:
    out = f"results/{SCALE.name}/scoreboard"
    with tempfile.TemporaryDirectory() as folder:
        evaluations = list(failures.evaluations_so_far(SCALE, rule_paths(), Path(folder)))
        analyses = list(failures.analyses_so_far(SCALE, rule_paths(), Path(folder)))
        speeds = failures.speeds_so_far(SCALE)
        shell(
            "camp scoreboard --evaluations {evaluations:q} --analyses {analyses:q}"
            " --speeds {speeds:q} --tasks {TASKS_FILE:q} --simulations {SIMULATIONS_FILE:q}"
            " --paper {PAPER_NUMBERS:q} --scale {SCALE.name}"
            " --out-csv {out}.csv --out-html {out}.html"
        )
    print(f"What failed, and why, is in {out}.html.", file=sys.stderr)
