"""What the rules of simulations and figures need: names of files, inputs, arguments."""

# What the figures of the paper are made from.
FIGURES = {
    "figure-2": {"title": "Figure 2", "evaluations": True},
    "figure-3": {"title": "Figure 3", "simulations": ["lips"], "references": ["aimd"]},
    "figure-4": {
        "title": "Figure 4",
        "simulations": ["water-300K"],
        "references": ["xray-2014", "xray-2013", "neutron", "revpbe0"],
    },
    "figure-5": {
        "title": "Figure 5",
        "simulations": ["aspirin", "ethanol"],
        "evaluations": True,
        "speeds": True,
    },
    "figure-6": {"title": "Figure 6", "scans": ("interlayer", ["graphene"])},
    "figure-s1": {"title": "Figure S1", "structure": ["lips", "lips-1fs"]},
    "figure-s2": {"title": "Figure S2", "simulations": ["lips-1fs"]},
    "figure-s3": {
        "title": "Figure S3",
        "simulations": [f"water-{kelvin}K" for kelvin in (300, 600, 900, 1200, 1500)],
    },
    "figure-drift": {
        "title": "Energy conservation",
        "simulations": ["nve-smooth", "nve-published"],
        "scans": ("dimer", ["nve-smooth", "nve-published"]),
    },
}


def simulated_model(simulation):
    """The model that makes a simulation."""
    return model_file(SCALE.simulations[simulation].task, SCALE.simulating_run(simulation))


def why_not_simulated(simulation):
    """The reason why a simulation cannot be made, or None."""
    settings = SCALE.simulations[simulation]
    items = [f"weights-{settings.task}-{settings.model}", f"start-{simulation}"]
    if settings.start.dataset:
        items.append(f"data-{settings.start.dataset}")
    return why_missing(*items)


def starting_arguments(simulation):
    settings = SCALE.simulations[simulation]
    start = settings.start
    arguments = ["--frames", start.frames, "--seed", start.seed, "--repeat", *start.repeat]
    if start.dataset == SCALE.tasks[settings.task].dataset:
        # Never from a structure that the model was trained on.
        for file in split_files(settings.task):
            arguments += ["--split", file, "--part", "test"]
    return arguments


def starting_inputs(wildcards):
    simulation = SCALE.simulations[wildcards.simulation]
    if simulation.start.fetch:
        return records(f"start-{wildcards.simulation}")
    own = simulation.start.dataset == SCALE.tasks[simulation.task].dataset
    return [
        f"results/{SCALE.name}/data/{simulation.start.dataset}.xyz.gz",
        *(split_files(simulation.task) if own else []),
    ]


def starting_source(wildcards):
    start = SCALE.simulations[wildcards.simulation].start
    if start.fetch:
        return fetched_files(f"start-{wildcards.simulation}")
    return [f"results/{SCALE.name}/data/{start.dataset}.xyz.gz"]


def simulation_resource(name):
    return lambda wildcards: getattr(SCALE.simulations[wildcards.simulation].resources, name)


def simulation_files(simulation):
    folder = f"results/{SCALE.name}/md/{simulation}"
    return [f"{folder}/{part}/simulation.json" for part in SCALE.simulations[simulation].parts]


def analysis_labels(simulation):
    settings = SCALE.simulations[simulation]
    labels = ["--simulation", simulation, "--title", settings.title, "--task", settings.task]
    labels += ["--weights", SCALE.weights, "--data-label", settings.data]
    if SCALE.weights == "own":
        labels += ["--train-size", SCALE.tasks[settings.task].split.train]
    return labels + (["--note", settings.note] if settings.note else [])


def analysis_file(simulation):
    folder = f"results/{SCALE.name}/md/{simulation}"
    if why_not_simulated(simulation):
        return f"{folder}/unavailable.json"
    return f"{folder}/analysis.json"


def all_analysis_files(wildcards):
    return [analysis_file(name) for name in SCALE.simulations]


def speed_files(simulations):
    """The measured speeds of those simulations that can be made."""
    measured = [name for name in SCALE.speed.simulations if name in simulations]
    folder = f"results/{SCALE.name}/speed"
    return [f"{folder}/{name}.json" for name in measured if not why_not_simulated(name)]


def all_speed_files(wildcards):
    return speed_files(SCALE.simulations)


def speed_arguments(simulation):
    device = "cuda" if SCALE.simulations[simulation].resources.gpu else "cpu"
    measuring = ["--seconds", SCALE.speed.seconds, "--threads", SCALE.speed.threads]
    return [*measuring, "--device", device]


def speed_labels(simulation):
    settings = SCALE.simulations[simulation]
    labels = ["--simulation", simulation, "--task", settings.task, "--data", settings.data]
    labels += ["--weights", SCALE.weights]
    return labels + (["--note", settings.note] if settings.note else [])


def simulations_of(figure):
    """The simulations that a figure shows, as far as the scale has them."""
    return [n for n in FIGURES[figure].get("simulations", []) if n in SCALE.simulations]


def reference_files(figure):
    """{name: file} of the references of a figure that could be had."""
    files = {}
    # A reference alone makes no figure.
    for name in FIGURES[figure].get("references", []) if simulations_of(figure) else []:
        source = SCALE.references.get(name)
        if source is None or why_missing(f"reference-{name}"):
            continue
        if name != "aimd":
            files[name] = fetched_files(f"reference-{name}")[0]
        elif not why_missing(f"data-{source.dataset}"):
            files[name] = f"results/{SCALE.name}/references/aimd.json"
    return files


def reference_inputs(figure):
    """What those files depend on: the records of fetching, or the analysis of a dataset."""
    files = reference_files(figure)
    return [
        record
        for name, file in files.items()
        for record in ([file] if name == "aimd" else records(f"reference-{name}"))
    ]


def scan_files(figure):
    """The scans of a figure: the bilayers of every model, or a pair for each simulation."""
    kind, names = FIGURES[figure].get("scans", ("", []))
    folder = f"results/{SCALE.name}/scans/{kind}"
    if kind == "interlayer":
        tasks = [task for task in names if task in SCALE.tasks]
        return [f"{folder}/{task}/{run.name}.json" for task in tasks for run in available_runs(task)]
    known = [name for name in names if name in SCALE.simulations and not why_not_simulated(name)]
    return [f"{folder}/{name}.json" for name in known]


def structure_file(figure):
    """The first of these simulations whose starting structures exist."""
    for name in FIGURES[figure].get("structure", []):
        if name in SCALE.simulations and not why_not_simulated(name):
            return [f"results/{SCALE.name}/md/{name}/start.xyz"]
    return []


def bond_reference(simulation):
    """The structures whose mean bond lengths the stability of molecules is measured against."""
    if SCALE.simulations[simulation].analysis.stability != "bonds":
        return []
    return [data_file(SCALE.simulations[simulation].task)]


def structure_label(figure):
    name = next(n for n in FIGURES[figure]["structure"] if n in SCALE.simulations)
    return SCALE.simulations[name].data


def figure_arguments(figure, input):
    """Options of ``camp figure`` for the inputs that this figure has."""
    arguments = []
    for option in ("evaluations", "analyses", "speeds", "scans", "structure"):
        if files := input.get(option):
            arguments += [f"--{option}", *([files] if isinstance(files, str) else files)]
    if input.get("structure"):
        arguments += ["--data", structure_label(figure)]
    for name, file in reference_files(figure).items():
        arguments += ["--reference", f"{name}={file}"]
    return arguments
