"""What the commands of the rules are told."""

from collections.abc import Mapping, Sequence

from camp.settings import Run, Scale
from camp.settings.sections import PARTS, ResourceSettings
from camp.targets import ENERGY, FORCES, STRESS
from camp.workflow.paths import data_file, reference_dataset, split_files


def options(files: Mapping[str, Sequence[str]], *names: str) -> list[str]:
    """An option with its files for each of these kinds of files that there is."""
    given = {name: files.get(name) for name in names}
    return [text for name, found in given.items() if found for text in (f"--{name}", *found)]


def converting(scale: Scale, dataset: str) -> list[str]:
    settings = scale.datasets[dataset]
    given: dict[str, object] = {
        "--kcal-per-mol": settings.kcal_per_mol,
        "--every": settings.every,
        "--molecule": settings.molecule,
    }
    if settings.part:
        given["--part"] = "{}:{}".format(*settings.part)
    kept: list[str] = []
    by_name: dict[str, Mapping[str, object]] = {
        "--keep-below": settings.keep_below,
        "--keep-above": settings.keep_above,
        "--only-of": settings.only_of,
    }
    for option, named in by_name.items():
        kept += [option, *(f"{name}={value}" for name, value in named.items())] if named else []
    return [*(text for key, v in given.items() if v is not None for text in (key, str(v))), *kept]


def splitting(scale: Scale, task: str) -> list[str]:
    split = scale.tasks[task].split
    arguments = ["--seed", str(split.seed)]
    for part in PARTS:
        arguments += [f"--{part}", str(getattr(split, part))]
        if source := split.sources.get(part):
            arguments += [f"--{part}-source", source]
    for kind in split.exclude:
        arguments += ["--exclude", kind]
    return arguments


def training(scale: Scale, task: str, architecture: str) -> str:
    """The file that ``camp train`` reads."""
    files = {"data": data_file(scale, task), "split": split_files(scale, task)[0]}
    return scale.training_settings(task, architecture, **files).to_yaml()


def training_device(scale: Scale, task: str) -> list[str]:
    """Where ``camp train`` computes, and on how many GPUs."""
    gpus = scale.tasks[task].resources.gpu
    return ["--devices", str(gpus)] if gpus else ["--device", "cpu"]


def device(resources: ResourceSettings) -> list[str]:
    """Where other commands compute."""
    return ["--device", "cuda" if resources.gpu else "cpu"]


def evaluating(scale: Scale, task: str, run: Run) -> list[str]:
    """The test set, and what an evaluation keeps about where its numbers come from."""
    settings = scale.tasks[task]
    arguments = ["--task", task, *_origin(scale, settings.dataset), *device(settings.resources)]
    if run.weights == "own":
        arguments += [*_seed(run), "--split", *split_files(scale, task), "--part", "test"]
    # A model knows the names of its own targets, and forces and stress are derivatives.
    for target in (ENERGY, FORCES, STRESS):
        if key := settings.keys.get(target.name):
            arguments += [f"--{target.name}-key", key]
    return [*arguments, *_unavailable(scale, task)]


def training_peer(scale: Scale, task: str) -> list[str]:
    """How a peer is trained, and what its evaluation keeps."""
    settings = scale.tasks[task]
    arguments = ["--threads", str(settings.resources.threads)]
    return [*arguments, *_unavailable(scale, task), *_generated(scale, settings.dataset)]


def starting(scale: Scale, simulation: str) -> list[str]:
    """How starting structures are drawn."""
    start = scale.simulations[simulation].start
    arguments = ["--frames", str(start.frames), "--seed", str(start.seed)]
    arguments += ["--repeat", *map(str, start.repeat)]
    for file in starting_split(scale, simulation):
        arguments += ["--split", file, "--part", "test"]
    return arguments


def starting_split(scale: Scale, simulation: str) -> list[str]:
    """The split, where structures are of the dataset of the model: never one that it was trained
    on.
    """
    settings = scale.simulations[simulation]
    own = settings.start.dataset == scale.tasks[settings.task].dataset
    return split_files(scale, settings.task) if own else []


def replicas(part: str) -> list[str]:
    """Of one job of a simulation."""
    return [] if part == "all" else ["--replicas", part.removeprefix("replica-")]


def analysing(scale: Scale, simulation: str) -> list[str]:
    """What an analysis keeps about where its numbers come from."""
    settings = scale.simulations[simulation]
    arguments = [*_simulated(scale, simulation), "--architecture", settings.model]
    if scale.weights == "own":
        arguments += ["--train-size", str(scale.tasks[settings.task].split.train)]
    return arguments


def analysing_reference(scale: Scale) -> list[str]:
    """The same of a reference."""
    return ["--scale", scale.name, *_generated(scale, reference_dataset(scale))]


def scanning_layers(scale: Scale, task: str, run: Run) -> list[str]:
    """The same of a scan of bilayers."""
    return [*_origin(scale, scale.tasks[task].dataset), *_seed(run)]


def scanning_pair(scale: Scale, simulation: str) -> list[str]:
    """The same of a scan of a pair."""
    return _origin(scale, scale.tasks[scale.simulations[simulation].task].dataset)


def measuring_speed(scale: Scale, simulation: str) -> list[str]:
    """How a speed is measured, and what it is of."""
    arguments = ["--seconds", str(scale.speed.seconds), "--threads", str(scale.speed.threads)]
    arguments += device(scale.simulations[simulation].resources)
    return [*arguments, *_simulated(scale, simulation)]


def _simulated(scale: Scale, simulation: str) -> list[str]:
    task = scale.simulations[simulation].task
    arguments = ["--simulation", simulation, "--task", task]
    return [*arguments, *_origin(scale, scale.tasks[task].dataset)]


def _origin(scale: Scale, dataset: str) -> list[str]:
    return ["--scale", scale.name, "--weights", scale.weights, *_generated(scale, dataset)]


def _generated(scale: Scale, dataset: str) -> list[str]:
    """An option for what is made here instead of taken from a paper."""
    return ["--generated"] if scale.datasets[dataset].generate else []


def _unavailable(scale: Scale, task: str) -> list[str]:
    reasons = scale.tasks[task].unavailable.items()
    return [text for target, why in reasons for text in ("--unavailable", f"{target}={why}")]


def _seed(run: Run) -> list[str]:
    return [] if run.seed is None else ["--seed", str(run.seed)]


def labels(scale: Scale, result: str) -> list[str]:
    """Options of ``camp label``: what people read beside a result.

    :param result: its path in the folder of the scale, without its suffix.
    """
    match result.split("/"):
        case ["references", _]:
            return ["--data-label", scale.datasets[reference_dataset(scale)].data or scale.data]
        case ["scans", "interlayer", task, _] | ["rivals", task, _]:
            return ["--data-label", scale.tasks[task].data]
        case ["scans", _, simulation]:
            return ["--data-label", scale.simulations[simulation].data]
        case ["evaluation", task, run]:
            note = scale.note_of(task, Run.parse(run).architecture)
            return ["--data-label", scale.tasks[task].data, *_note(note)]
        case [kind, simulation, *_]:
            settings = scale.simulations[simulation]
            title = ["--title", settings.title] if kind == "md" else []
            return ["--data-label", settings.data, *_note(settings.note), *title]
    raise ValueError(f"no labels for {result}")


def _note(text: str) -> list[str]:
    return ["--note", text] if text else []
