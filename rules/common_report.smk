"""What the rules of tables, figures and scoreboards need: what is declared, and its inputs."""

# What this scale has of the kinds of results that a table of a whole scale is made from.
RESULTS_BY_KIND = {
    "evaluations": list(SCALE.tasks),
    "analyses": list(SCALE.simulations),
    "speeds": SCALE.speed["simulations"],
    "trainings": list(SCALE.tasks) if SCALE.weights == "own" else [],
}


def declared(kind, *covers):
    """{name: (paper, declaration)} of the tables or figures that this scale can have."""
    return {
        name: (paper, product)
        for name, (paper, product) in by_name(PAPERS.values(), kind).items()
        if product.covers in covers
        and (not product.takes or any(RESULTS_BY_KIND[taken] for taken in product.takes))
    }


TABLES = declared("tables", "numbers", "scale")
FIGURES = declared("figures", "numbers", "scale")
TASK_FIGURES = declared("figures", "task")
SCOREBOARDS = {name: paper for name, paper in PAPERS.items() if paper.own_numbers}
# For the captions of the report.
config.update(
    scale=SCALE.name,
    data=SCALE.data,
    products={
        name: {**product.model_dump(include={"caption", "where"}), "heading": product.heading}
        for name, (_, product) in (TABLES | FIGURES | TASK_FIGURES).items()
    },
    papers={name: paper.label for name, paper in PAPERS.items()},
)


# --- from names to files ---------------------------------------------------------------------


def evaluations_of(tasks):
    """Those that the scale has; the others are missing in tables and figures."""
    return [file for task in tasks if task in SCALE.tasks for file in evaluation_files(task)]


def analyses_of(simulations):
    return [analysis_file(name) for name in simulations if name in SCALE.simulations]


def training_files(tasks):
    folder = f"results/{SCALE.name}/training"
    return [
        f"{folder}/{task}/{run}/training.json"
        for task in tasks
        for run in SCALE.runs(task)
        if run != "published"
    ]


def needs_of(paper, product):
    """The names of results by kind: what answers the product's numbers, or everything."""
    if product.covers == "scale":
        return {kind: RESULTS_BY_KIND[kind] for kind in product.takes}
    return by_kind(paper.needs(product))


def by_kind(needs):
    return {
        "evaluations": needs.tasks,
        "analyses": needs.simulations,
        "speeds": needs.speeds,
    }


FILES_BY_KIND = {
    "evaluations": evaluations_of,
    "analyses": analyses_of,
    "speeds": speed_files,
    "trainings": training_files,
}


def inputs_of(products, kind):
    """Input function: the files of one kind for a table or figure."""

    def files(wildcards):
        paper, product = products[wildcards.name]
        return FILES_BY_KIND[kind](needs_of(paper, product).get(kind, []))

    return files


def scoreboard_inputs(kind):
    """Input function: the files of one kind that answer the numbers of a paper."""

    def files(wildcards):
        return FILES_BY_KIND[kind](by_kind(PAPERS[wildcards.paper].all_needs())[kind])

    return files


def reference_files(figure):
    """{name: file} of the references of a figure that could be had."""
    _, product = FIGURES[figure]
    # A reference alone makes no figure.
    shown = any(name in SCALE.simulations for name in product.simulations)
    files = {}
    for name in product.references if shown else []:
        source = SCALE.references.get(name)
        if source is None or why_missing(f"reference-{name}"):
            continue
        if "fetch" in source:
            files[name] = fetched_files(f"reference-{name}")[0]
        elif not why_missing(f"data-{source['dataset']}"):
            files[name] = f"results/{SCALE.name}/references/{name}.json"
    return files


def reference_inputs(figure):
    """What those files depend on: the records of fetching, or the analysis of a dataset."""
    return [
        record
        for name, file in reference_files(figure).items()
        for record in (records(f"reference-{name}") or [file])
    ]


def scan_files(figure):
    """The scans of a figure: the bilayers of every model, or a pair for each simulation."""
    _, product = FIGURES[figure]
    tasks = [t for t in product.interlayer_scans if t in SCALE.tasks and is_available(t)]
    simulations = [
        n for n in product.dimer_scans if n in SCALE.simulations and not why_not_simulated(n)
    ]
    runs = [(task, run) for task in tasks for run in SCALE.runs(task)]
    return [*(interlayer_scan_file(*run) for run in runs), *map(dimer_scan_file, simulations)]


def interlayer_scan_file(task, run):
    return f"results/{SCALE.name}/scans/interlayer/{task}/{run}.json"


def dimer_scan_file(simulation):
    return f"results/{SCALE.name}/scans/dimer/{simulation}.json"


def structure_source(figure):
    """The first of the simulations of a figure that shows where one starts, if it can be made."""
    _, product = FIGURES[figure]
    possible = (n for n in product.structure if n in SCALE.simulations and not why_not_simulated(n))
    return next(possible, None)


def structure_file(figure):
    name = structure_source(figure)
    return [f"results/{SCALE.name}/md/{name}/start.xyz"] if name else []


def task_figures(task):
    """The figures of one task: those of trainings only where there are any."""
    return [
        f"results/{SCALE.name}/figures/{name}-{task}.png"
        for name, (_, product) in TASK_FIGURES.items()
        if "trainings" not in product.takes or metrics_files(task)
    ]


def takes(name, kind):
    return kind in TASK_FIGURES[name][1].takes


# --- arguments of commands ------------------------------------------------------------------


def options(input, *names):
    """An option with its files for each input that there is."""
    given = {name: input.get(name) for name in names}
    return [
        text
        for name, files in given.items()
        if files
        for text in (f"--{name}", *([files] if isinstance(files, str) else files))
    ]


def figure_arguments(figure, input):
    """Options of ``camp figure`` for the inputs that this figure has."""
    arguments = options(input, "evaluations", "analyses", "speeds", "scans", "structure")
    if input.get("structure"):
        arguments += ["--data", SCALE.simulations[structure_source(figure)]["data"]]
    for name, file in reference_files(figure).items():
        arguments += ["--reference", f"{name}={file}"]
    return arguments
