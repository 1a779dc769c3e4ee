"""After a failed run: scoreboards, tables and figures of what was computed, with the reasons why the
rest is missing."""

import subprocess
import tempfile

from camp.files import write_json, write_text
from camp.report.pages import page, paragraph
from snakemake.io import apply_wildcards

LONGEST_REASON = 300


# --- the jobs behind a number, in their order: (rule, wildcards) ---------------------------------


def jobs_of_data(dataset):
    if f"data-{dataset}" in TO_FETCH:
        yield rules.fetch, {"item": f"data-{dataset}"}
    made = rules.generate if "generate" in SCALE.datasets[dataset] else rules.convert
    yield made, {"dataset": dataset}


def jobs_of_model(task, run):
    yield from jobs_of_data(SCALE.tasks[task]["dataset"])
    if run == "published":
        yield rules.fetch, {"item": f"weights-{task}"}
        yield rules.import_published, {"task": task}
        return
    yield rules.split, {"task": task}
    if task in TOGETHER:
        yield rules.train_together, {"task": task}
    else:
        yield rules.train, {"task": task, "seed": run.removeprefix("seed-")}


def jobs_of_evaluation(task, run):
    yield from jobs_of_model(task, run)
    yield rules.evaluate, {"task": task, "run": run}


def jobs_of_simulated_model(simulation):
    task = SCALE.simulations[simulation]["task"]
    yield from jobs_of_model(task, SCALE.runs(task)[0])


def jobs_of_start(simulation):
    yield from jobs_of_simulated_model(simulation)
    start = SCALE.simulations[simulation]["start"]
    if "fetch" in start:
        yield rules.fetch, {"item": f"start-{simulation}"}
    else:
        yield from jobs_of_data(start["dataset"])
    yield rules.start, {"simulation": simulation}


def jobs_of_simulation(simulation):
    yield from jobs_of_start(simulation)
    for part in SCALE.parts(simulation):
        yield rules.simulate, {"simulation": simulation, "part": part}
    yield rules.analyse, {"simulation": simulation}


def jobs_of_speed(simulation):
    yield from jobs_of_start(simulation)
    yield rules.speed, {"simulation": simulation}


def jobs_of_interlayer_scan(task, run):
    yield from jobs_of_model(task, run)
    yield rules.interlayer_scan, {"task": task, "run": run}


def jobs_of_dimer_scan(simulation):
    yield from jobs_of_simulated_model(simulation)
    yield rules.dimer_scan, {"simulation": simulation}


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


class SoFar:
    """What there is after a failed run, and why the rest is missing."""

    def __init__(self):
        runs = [(task, run) for task in SCALE.tasks for run in SCALE.runs(task)]
        jobs = {
            "evaluations": {run: jobs_of_evaluation(*run) for run in runs},
            "analyses": {name: jobs_of_simulation(name) for name in SCALE.simulations},
            "speeds": {name: jobs_of_speed(name) for name in SCALE.speed["simulations"]},
        }
        # Why each is missing, or an empty text.
        self.reasons = {
            kind: {name: why_not_done(needed) for name, needed in those.items()}
            for kind, those in jobs.items()
        }

    def why_not(self, kind, name):
        """Why a result is missing, of a task all reasons; what stops all its models is said once."""
        if kind not in ("evaluations", "trainings"):
            return self.reasons[kind].get(name, "")
        runs = SCALE.runs(name) if name in SCALE.tasks else []
        reasons = [self.reasons["evaluations"][name, run] for run in runs]
        return reasons[0] if len(set(reasons)) == 1 else "; ".join(filter(None, reasons))

    def options(self, folder):
        """Options of commands: the results that there are, and files with the other reasons.

        :param folder: where those files are written.
        """
        done = {
            kind: [n for n, why in found.items() if not why] for kind, found in self.reasons.items()
        }
        results = f"results/{SCALE.name}"
        files = {
            "evaluations": [
                f"{results}/evaluation/{t}/{run}.json" for t, run in done["evaluations"]
            ],
            "analyses": [f"{results}/md/{name}/analysis.json" for name in done["analyses"]],
            "speeds": [f"{results}/speed/{name}.json" for name in done["speeds"]],
        }
        for task in SCALE.tasks:
            if reason := self.why_not("evaluations", task):
                content = {"task": task, "architecture": architecture(task), "reason": reason}
                files["evaluations"].append(folder / f"evaluation-{task}.json")
                write_json(files["evaluations"][-1], content)
        for name, settings in SCALE.simulations.items():
            if reason := self.why_not("analyses", name):
                content = {"simulation": name, "architecture": architecture(settings["task"])}
                content |= {"scale": SCALE.name, "unavailable": reason}
                files["analyses"].append(folder / f"simulation-{name}.json")
                write_json(files["analyses"][-1], content)
        return ["--scale", SCALE.name, *options(files, *files)]


# --- scoreboards, and the tables, figures and notebooks that lack an input -----------------------


def blocked_outputs():
    """What this run should have made and could not begin, since something before it failed."""
    unfinished = set(workflow.dag.needrun_jobs())
    blocked = [job for job in unfinished if unfinished & workflow.dag.dependencies[job].keys()]
    return {str(file) for job in blocked for file in job.output}


def report_failures(folder):
    """Every scoreboard, and what could not be made for lack of an input."""
    so_far, blocked, results = SoFar(), blocked_outputs(), f"results/{SCALE.name}"
    found = so_far.options(folder)

    def camp(verb, *arguments, paper):
        command = [sys.executable, "-m", "camp", verb, *arguments, "--paper", paper.folder, *found]
        subprocess.run([*map(str, command)], check=False)

    for name, paper in SCOREBOARDS.items():
        camp("scoreboard", *table_outputs(f"{results}/scoreboard-{name}"), paper=paper)
    for name, (paper, _) in TABLES.items():
        if f"{results}/tables/{name}.html" in blocked:
            trainings = given("trainings", filter(os.path.exists, training_files(SCALE.tasks)))
            camp("table", name, *trainings, *table_outputs(f"{results}/tables/{name}"), paper=paper)
    for name, (paper, product) in FIGURES.items():
        out = f"{results}/figures/{name}.png"
        if out in blocked:
            scans = given("scans", scans_so_far(folder, product))
            camp("figure", name, *scans, "--out", out, paper=paper)
    for task in SCALE.tasks:
        metrics = given("metrics", filter(os.path.exists, metrics_files(task)))
        labels = ["--task", task, "--data", SCALE.tasks[task]["data"]]
        for name, (paper, _) in TASK_FIGURES.items():
            out = f"{results}/figures/{name}-{task}.png"
            if out in blocked:
                camp("figure", name, *labels, *metrics, "--out", out, paper=paper)
    for name, topic in SCALE.notebooks.items():
        out = f"{results}/notebooks/{name}.html"
        if out in blocked:
            reason = so_far.why_not("analyses" if name == "trajectory" else "evaluations", topic)
            write_text(out, page(f"Notebook: {name}", paragraph(f"missing because {reason}")))


def table_outputs(out):
    return ["--out-csv", f"{out}.csv", "--out-html", f"{out}.html"]


def given(option, files):
    return options({option: list(files)}, option)


def scans_so_far(folder, product):
    """The scans of a figure, those that are missing as files with the reason."""
    models = [(t, r) for t in product.interlayer_scans if t in SCALE.tasks for r in SCALE.runs(t)]
    simulations = [name for name in product.dimer_scans if name in SCALE.simulations]
    jobs = {interlayer_scan_file(*model): jobs_of_interlayer_scan(*model) for model in models}
    jobs |= {dimer_scan_file(name): jobs_of_dimer_scan(name) for name in simulations}
    for number, (file, needed) in enumerate(jobs.items()):
        if reason := why_not_done(needed):
            file = folder / f"scan-{number}.json"
            write_json(file, {"scale": SCALE.name, "unavailable": reason})
        yield file


onerror:
    with tempfile.TemporaryDirectory() as folder:
        report_failures(Path(folder))
    places = ", ".join(f"results/{SCALE.name}/scoreboard-{name}.html" for name in SCOREBOARDS)
    print(
        f"What failed, and why, is in {places}; tables and figures say it too.", file=sys.stderr
    )
