"""What the rules of simulations need: names of files, inputs, arguments."""


def simulated_model(simulation):
    """The model of a simulation: the first of its task."""
    task = SCALE.simulations[simulation]["task"]
    return model_file(task, SCALE.runs(task)[0])


def why_not_simulated(simulation):
    """The reason why a simulation cannot be made, or None."""
    settings = SCALE.simulations[simulation]
    items = [f"weights-{settings['task']}", f"start-{simulation}"]
    if "dataset" in settings["start"]:
        items.append(f"data-{settings['start']['dataset']}")
    return why_missing(*items)


def starting_arguments(simulation):
    start = SCALE.simulations[simulation]["start"]
    arguments = ["--frames", start["frames"], "--seed", start["seed"], "--repeat", *start["repeat"]]
    if start.get("dataset") == SCALE.tasks[SCALE.simulations[simulation]["task"]]["dataset"]:
        # Never from a structure that the model was trained on.
        for file in split_files(SCALE.simulations[simulation]["task"]):
            arguments += ["--split", file, "--part", "test"]
    return arguments


def starting_inputs(wildcards):
    simulation = SCALE.simulations[wildcards.simulation]
    if "fetch" in simulation["start"]:
        return records(f"start-{wildcards.simulation}")
    own = simulation["start"]["dataset"] == SCALE.tasks[simulation["task"]]["dataset"]
    return [
        f"results/{SCALE.name}/data/{simulation['start']['dataset']}.xyz.gz",
        *(split_files(simulation["task"]) if own else []),
    ]


def starting_source(wildcards):
    start = SCALE.simulations[wildcards.simulation]["start"]
    if "fetch" in start:
        return fetched_files(f"start-{wildcards.simulation}")
    return [f"results/{SCALE.name}/data/{start['dataset']}.xyz.gz"]


def simulation_resource(name):
    return lambda wildcards: SCALE.simulations[wildcards.simulation]["resources"][name]


def simulation_files(simulation):
    folder = f"results/{SCALE.name}/md/{simulation}"
    return [f"{folder}/{part}/simulation.json" for part in SCALE.parts(simulation)]


def analysis_settings(simulation):
    return yaml.safe_dump(SCALE.simulations[simulation]["analysis"], sort_keys=False)


def analysis_labels(simulation):
    settings = SCALE.simulations[simulation]
    labels = ["--simulation", simulation, "--title", settings["title"], "--task", settings["task"]]
    labels += ["--architecture", architecture(settings["task"]), "--weights", SCALE.weights]
    labels += ["--data-label", settings["data"], *simulation_generated(simulation)]
    if SCALE.weights == "own":
        labels += ["--train-size", SCALE.tasks[settings["task"]]["split"]["train"]]
    return labels + (["--note", settings["note"]] if settings["note"] else [])


def analysis_file(simulation):
    folder = f"results/{SCALE.name}/md/{simulation}"
    if why_not_simulated(simulation):
        return f"{folder}/unavailable.json"
    return f"{folder}/analysis.json"


def all_analysis_files(wildcards):
    return [analysis_file(name) for name in SCALE.simulations]


def simulation_generated(simulation):
    return generated(SCALE.tasks[SCALE.simulations[simulation]["task"]]["dataset"])


def speed_files(simulations):
    """The measured speeds of those simulations that can be made."""
    measured = [name for name in SCALE.speed["simulations"] if name in simulations]
    folder = f"results/{SCALE.name}/speed"
    return [f"{folder}/{name}.json" for name in measured if not why_not_simulated(name)]


def all_speed_files(wildcards):
    return speed_files(SCALE.simulations)


def speed_arguments(simulation):
    device = "cuda" if SCALE.simulations[simulation]["resources"]["gpu"] else "cpu"
    settings = {key: SCALE.speed[key] for key in ("seconds", "threads")} | {"device": device}
    return [text for key, value in settings.items() for text in (f"--{key}", str(value))]


def speed_labels(simulation):
    settings = SCALE.simulations[simulation]
    labels = ["--simulation", simulation, "--task", settings["task"], "--data", settings["data"]]
    labels += ["--weights", SCALE.weights, *simulation_generated(simulation)]
    return labels + (["--note", settings["note"]] if settings["note"] else [])


def bond_reference(simulation):
    """The structures whose mean bond lengths the stability of molecules is measured against."""
    if SCALE.simulations[simulation]["analysis"]["stability"] != "bonds":
        return []
    return [data_file(SCALE.simulations[simulation]["task"])]
