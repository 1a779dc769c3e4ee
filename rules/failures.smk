"""After a failed run: a report of what was computed, with the reasons why the rest is missing."""

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


def blocked_outputs():
    """What this run should have made and could not begin, since something before it failed."""
    unfinished = set(workflow.dag.needrun_jobs())
    blocked = [job for job in unfinished if unfinished & workflow.dag.dependencies[job].keys()]
    return {str(file) for job in blocked for file in job.output}


onerror:
    with tempfile.TemporaryDirectory() as folder:
        written = Salvage(PRODUCTS, rule_paths(), Path(folder)).write(blocked_outputs())
    places = ", ".join(written)
    print(
        f"What failed, and why, is in {places}; tables and figures say it too.", file=sys.stderr
    )
