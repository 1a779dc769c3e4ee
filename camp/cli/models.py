"""Verbs that make and judge models: train, evaluate, import."""

import argparse
import sys
from pathlib import Path
from typing import Any

from camp.cli.device import add_accelerate, add_device, add_models, check_device, positive_count
from camp.cli.keys import add_keys, given_keys
from camp.errors import InputError
from camp.targets import TARGETS


def run_train(arguments: argparse.Namespace) -> None:
    from camp.potential.saving import load
    from camp.process import quiet_lightning, reuse_freed_memory
    from camp.settings import load_training
    from camp.training.sets import read_sets
    from camp.training.train import train

    settings = load_training(arguments.config)
    start = None
    if arguments.model is None:
        if settings.training.frozen:
            raise InputError(f"{arguments.config}: 'frozen' is for camp fine-tune")
    else:
        if "model" in settings.model_fields_set:
            raise InputError(
                f"{arguments.config}: remove 'model'; fine-tuning keeps the hyperparameters of "
                f"{arguments.model}"
            )
        start = load(arguments.model)
        settings = settings.model_copy(update={"model": start.settings})
    keys = {**settings.keys, **given_keys(arguments)}
    reuse_freed_memory()
    quiet_lightning()
    sets = read_sets(settings.model_copy(update={"keys": keys}))
    summaries = train(
        sets.settings,
        sets.training,
        sets.validation,
        seeds=arguments.seed,
        out=arguments.out,
        resume=arguments.resume,
        set_aside=arguments.set_aside,
        start=start,
        cache=arguments.cache,
        devices=arguments.devices,
    )
    for summary in summaries:
        target = TARGETS[summary["monitor"]]
        print(
            f"seed {summary['seed']}: {summary['steps']} steps in {summary['seconds']:.0f} s, "
            f"{summary['stop_reason']}: validation {target.name} MAE "
            f"{target.error(summary['best_validation_error'])}"
        )


def add_train(verbs) -> None:
    parser = verbs.add_parser("train", help="train one potential, or several seeds of it")
    _add_training(parser)
    parser.set_defaults(model=None)


def add_fine_tune(verbs) -> None:
    parser = verbs.add_parser("fine-tune", help="train a model on, on other structures")
    parser.add_argument("model", type=Path, help="model of ours, or a published checkpoint")
    _add_training(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        type=Path,
        help="settings (YAML): data, split, model, training; all are in config/README.md",
    )
    parser.add_argument(
        "--seed",
        type=int,
        nargs="+",
        required=True,
        metavar="N",
        help="of weights and order of batches; several are trained together on one device",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for model and logs; with several seeds, for folders such as camp-seed-N",
    )
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training")
    parser.add_argument(
        "--set-aside",
        action="store_true",
        help="move an interrupted training with other settings, data or code out of the way",
    )
    parser.add_argument("--cache", type=Path, help="folder in which processed graphs are kept")
    parser.add_argument(
        "--device",
        choices=("cuda", "cpu"),
        default="cuda",
        help="cuda (default): a GPU that is free, or the CPU where there is none",
    )
    parser.add_argument(
        "--devices", type=positive_count, default=1, metavar="N", help="GPUs that share every step"
    )
    add_keys(parser)
    parser.set_defaults(run=run_train)


def run_evaluate(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.data.splits import read_split
    from camp.evaluation.comparison import (
        compare,
        describe,
        evaluation_record,
        shifted_reference,
    )
    from camp.files import write_json
    from camp.potential.saving import load
    from camp.process import reuse_freed_memory

    check_device(arguments.device)
    reuse_freed_memory()
    potential = load(arguments.models)
    parameters = potential.trained_parameters
    potential = potential.double() if arguments.dtype == "float64" else potential.float()
    potential = potential.to(arguments.device)
    if arguments.accelerate:
        from camp.potential.accelerated import accelerated

        potential = accelerated(potential, compiled=True)
    units = {} if arguments.kcal_per_mol is None else {"kcal_per_mol": arguments.kcal_per_mol}
    structures = read_structures(arguments.data, targets=(), **units)
    train_size = None
    if arguments.split:
        split = read_split(arguments.split, structures)
        structures = [structures[index] for index in getattr(split, arguments.part)]
        train_size = len(split.train)
    try:
        comparison = compare(
            potential, structures, keys=given_keys(arguments), progress=sys.stderr.isatty()
        )
    except InputError as error:
        raise InputError(f"{arguments.data}: {error}") from None
    unavailable = dict(arguments.unavailable)
    record = evaluation_record(
        comparison,
        unavailable=unavailable,
        task=arguments.task,
        architecture=potential.architecture,
        parameters=parameters,
        seed=arguments.seed,
        scale=arguments.scale,
        data=arguments.data_label,
        generated=arguments.generated,
        weights=arguments.weights,
        train_size=train_size,
        note=arguments.note,
    )
    if arguments.npz:
        comparison.save(arguments.npz)
    if arguments.json:
        write_json(arguments.json, record)
    print(describe(comparison, unavailable))
    if hint := shifted_reference(comparison):
        print(f"camp: warning: {arguments.data}: {hint}", file=sys.stderr)


def _quantity_and_reason(text: str) -> tuple[str, str]:
    quantity, _, reason = text.partition("=")
    if quantity not in TARGETS or not reason:
        raise argparse.ArgumentTypeError(f"{text!r} is not TARGET=REASON, such as energy=REASON")
    return quantity, reason


def add_evaluate(verbs) -> None:
    parser = verbs.add_parser("evaluate", help="errors of a model on labelled structures")
    add_models(parser)
    parser.add_argument("data", type=Path, help="structures, any supported format")
    parser.add_argument("--json", type=Path, metavar="OUT", help="metrics, eV and eV/Å")
    parser.add_argument("--npz", type=Path, metavar="OUT", help="all predictions and references")
    parser.add_argument("--split", type=Path, help="evaluate one part of this split only")
    parser.add_argument("--part", choices=("train", "validation", "test"), default="test")
    parser.add_argument("--kcal-per-mol", type=float, metavar="eV", help="of MD17 files, in eV")
    add_keys(parser)
    add_device(parser)
    add_accelerate(parser, default=False)
    parser.add_argument(
        "--unavailable",
        type=_quantity_and_reason,
        action="append",
        default=[],
        metavar="TARGET=REASON",
        help="a target whose errors mean nothing for these data, and why",
    )
    labels = parser.add_argument_group("labels kept with the metrics")
    labels.add_argument("--task")
    labels.add_argument("--seed", type=int)
    labels.add_argument("--scale")
    labels.add_argument("--data-label", metavar="TEXT")
    labels.add_argument("--generated", action="store_true", help="data made here, not a paper's")
    labels.add_argument("--weights", choices=("own", "published"))
    labels.add_argument("--note", default="")
    parser.set_defaults(run=run_evaluate)


def run_rival(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures
    from camp.data.splits import read_split
    from camp.evaluation.rivals import KERNEL_RIDGE, MEAN, rival_metrics
    from camp.files import write_json
    from camp.settings import load_training

    settings = load_training(arguments.config)
    if not settings.data or not settings.split:
        raise InputError(f"{arguments.config}: a rival needs 'data' and 'split'")
    tensors = [t for t in settings.learnt if t.rank and not t.derivative_of]
    outs = {MEAN: arguments.mean, KERNEL_RIDGE: arguments.kernel_ridge}
    structures = read_structures(settings.data, targets=())
    split = read_split(settings.split, structures)
    try:
        found = rival_metrics(structures, split, tensors)
    except InputError as error:
        if not arguments.allow_missing:
            raise
        for name, out in outs.items():
            write_json(out, {"task": settings.task, "architecture": name, "reason": str(error)})
        return
    for name, out in outs.items():
        record: dict[str, Any] = {
            "task": settings.task,
            "architecture": name,
            "weights": "",
            "seed": None,
            "scale": settings.labels.get("scale", ""),
            "data": settings.labels.get("data", ""),
            "generated": arguments.generated,
            "targets": {target.name: target.unit for target in tensors},
            "metrics": found[name],
            "unavailable": {target.name: "predicts invariants only" for target in tensors},
            "train_size": len(split.train),
        }
        write_json(out, record)


def add_rival(verbs) -> None:
    parser = verbs.add_parser("rival", help="a library's simple method on the tensors of a task")
    parser.add_argument("config", type=Path, help="settings of a training with data and split")
    parser.add_argument("kernel_ridge", type=Path, metavar="OUT", help="its errors (.json)")
    parser.add_argument("mean", type=Path, metavar="MEAN", help="those of the training set's mean")
    parser.add_argument("--generated", action="store_true", help="data made here, not a paper's")
    parser.add_argument(
        "--allow-missing", action="store_true", help="without scikit-learn write why there are none"
    )
    parser.set_defaults(run=run_rival)


def run_predict(arguments: argparse.Namespace) -> None:
    from camp.data.readers import read_structures, write_structures
    from camp.evaluation.predicting import with_predictions
    from camp.potential.saving import load

    check_device(arguments.device)
    potential = load(arguments.models)
    potential = potential.double() if arguments.dtype == "float64" else potential.float()
    structures = read_structures(arguments.structures, targets=())
    try:
        predicted = with_predictions(
            potential.to(arguments.device), structures, progress=sys.stderr.isatty()
        )
    except InputError as error:
        raise InputError(f"{arguments.structures}: {error}") from None
    write_structures(arguments.out, predicted)


def add_predict(verbs) -> None:
    parser = verbs.add_parser("predict", help="structures with all that a model predicts of them")
    add_models(parser)
    parser.add_argument("structures", type=Path, help="any supported format; labels are not needed")
    parser.add_argument("out", type=Path, help="extended XYZ to write")
    add_device(parser)
    parser.set_defaults(run=run_predict)


def run_info(arguments: argparse.Namespace) -> None:
    from camp.potential.saving import load

    print(load(arguments.model))


def add_info(verbs) -> None:
    parser = verbs.add_parser("info", help="what a model is, and what it was trained on")
    parser.add_argument("model", type=Path, help="model of ours, or published weights")
    parser.set_defaults(run=run_info)


def run_import(arguments: argparse.Namespace) -> None:
    from camp.potential.saving import load, save

    save(load(arguments.published, dict(arguments.option)), arguments.out)


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def add_import(verbs) -> None:
    parser = verbs.add_parser("import", help="convert published weights to our format")
    parser.add_argument("published", type=Path, help="file with weights of any architecture")
    parser.add_argument("out", type=Path, help="model file to write (.safetensors)")
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the file does not say, such as target=dielectric",
    )
    parser.set_defaults(run=run_import)
