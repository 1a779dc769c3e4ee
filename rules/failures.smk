"""After a failed run: the scoreboard of what was computed, with the reasons why the rest is missing."""

import tempfile

from snakemake.io import apply_wildcards

LONGEST_REASON = 300


# --- the jobs behind a number, in their order: (rule, wildcards) ---------------------------------


def jobs_of_data(dataset):
    if f"data-{dataset}" in TO_FETCH:
        yield rules.fetch, {"item": f"data-{dataset}"}
    made = rules.generate if SCALE.datasets[dataset].generate else rules.convert
    yield made, {"dataset": dataset}


def jobs_of_model(task, run):
    yield from jobs_of_data(SCALE.tasks[task].dataset)
    model = {"task": task, "architecture": run.architecture}
    if run.weights == "published":
        yield rules.fetch, {"item": f"weights-{task}-{run.architecture}"}
        yield rules.import_published, model
        return
    yield rules.split, {"task": task}
    if task in TOGETHER:
        yield rules.train_together, model
    else:
        yield rules.train, {**model, "seed": str(run.seed)}


def jobs_of_evaluation(task, run):
    yield from jobs_of_model(task, run)
    yield rules.evaluate, {"task": task, "run": run.name}


def jobs_of_simulation(simulation):
    settings = SCALE.simulations[simulation]
    yield from jobs_of_model(settings.task, SCALE.simulating_run(simulation))
    if settings.start.fetch:
        yield rules.fetch, {"item": f"start-{simulation}"}
    else:
        yield from jobs_of_data(settings.start.dataset)
    yield rules.start, {"simulation": simulation}
    for part in settings.parts:
        yield rules.simulate, {"simulation": simulation, "part": part}
    yield rules.analyse, {"simulation": simulation}


# --- what became of them ------------------------------------------------------------------------


def why_not_done(jobs):
    """The reason why the last of these jobs has no result, or an empty text."""
    for rule, values in jobs:
        wildcards = {"scale": SCALE.name, **values}
        outputs = [Path(apply_wildcards(pattern, wildcards)) for pattern in rule.output]
        log = Path(apply_wildcards(rule.log[0], wildcards))
        if not all(file.exists() for file in outputs):
            name = " ".join([rule.rule.name, *values.values()])
            if not log.exists():
                return f"job {name} was not run"
            return f"job {name} failed: {last_line(log)} (see {log})"
        if rule.rule.name == "fetch":
            record = json.loads(outputs[0].read_text(encoding="utf-8"))
            if "reason" in record:
                return record["reason"]
    return ""


def last_line(log):
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    nothing = "its log is empty; it was killed, or could not start"
    said = [line.strip() for line in lines if line.strip()] or [nothing]
    return said[-1].removeprefix("camp: error: ")[:LONGEST_REASON]


def evaluations_so_far(folder):
    """The evaluations, and files made in a folder with the reasons for those that are missing."""
    for task in SCALE.tasks:
        reasons = {}
        for run in SCALE.runs(task):
            if reason := why_not_done(jobs_of_evaluation(task, run)):
                reasons[run.name] = reason
            else:
                yield f"results/{SCALE.name}/evaluation/{task}/{run.name}.json"
        if reasons:
            # What stops all of them stops the first.
            same = len(set(reasons.values())) == 1
            text = reasons.popitem()[1] if same else "; ".join(reasons.values())
            file = Path(folder, f"evaluation-{task}.json")
            file.write_text(json.dumps({"task": task, "reason": text}), encoding="utf-8")
            yield file


def analyses_so_far(folder):
    """The same for analyses of simulations."""
    for simulation in SCALE.simulations:
        if reason := why_not_done(jobs_of_simulation(simulation)):
            content = {"simulation": simulation, "scale": SCALE.name, "unavailable": reason}
            file = Path(folder, f"simulation-{simulation}.json")
            file.write_text(json.dumps(content), encoding="utf-8")
            yield file
        else:
            yield f"results/{SCALE.name}/md/{simulation}/analysis.json"


onerror:
    speeds = sorted(Path(f"results/{SCALE.name}/speed").glob("*.json"))
    out = f"results/{SCALE.name}/scoreboard"
    with tempfile.TemporaryDirectory() as folder:
        evaluations, analyses = list(evaluations_so_far(folder)), list(analyses_so_far(folder))
        shell(
            "camp scoreboard --evaluations {evaluations:q} --analyses {analyses:q}"
            " --speeds {speeds:q} --tasks {TASKS_FILE:q} --simulations {SIMULATIONS_FILE:q}"
            " --paper {PAPER_NUMBERS:q} --scale {SCALE.name}"
            " --out-csv {out}.csv --out-html {out}.html"
        )
    print(f"What failed, and why, is in {out}.html.", file=sys.stderr)
