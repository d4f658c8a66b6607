"""Writes the golden cases: NAME.json for shardopt-replay, NAME.expected.json beside it.

    python tests/golden/make_golden.py [FOLDER]

An expected file holds, by key of replay's result, what its entries must be (null: any; one
number in "lr": that of every group), their "tolerance", and "whole": whether each matrix
must lie on one rank whole. "groups" is parameter -> [algorithm, weight decay].
"""

import json
import pathlib
import sys

from hand_cases import HAND_CASES
from vectors import VECTORS

PRINTED = 1e-9  # The vectors have ten digits.
WEIGHT = [0.5, -0.3, 0.8, -0.2, 0.9, 0.1]  # 2x3
GRADIENTS = [[0.1, -0.2, 0.3, 0.4, 0.05, -0.6],
             [-0.3, 0.1, 0.2, 0.1, -0.4, 0.5],
             [0.2, 0.3, -0.1, -0.5, 0.2, 0.1]]
STEP = {"lr": 0.1, "weight_decay": 0.01}


def numbers(name):
    """update -> six numbers."""
    lines = [line.split() for line in VECTORS[name].strip().splitlines()]
    return {int(update): [float(x) for x in values] for update, *values in lines}


def by_call(vectors):
    """One entry for each update, null where there are no numbers."""
    return [[vectors[update]] if update in vectors else None
            for update in range(1, max(vectors) + 1)]


def transposed(values):
    return [values[3 * column + row] for row in range(3) for column in range(2)]


def case(optimizer, updates, tall=False, **more):
    laid = transposed if tall else list
    return {"optimizer": optimizer, **more, "dtype": "float64",
            "parameters": [{"name": "w", "shape": [3, 2] if tall else [2, 3],
                            "values": laid(WEIGHT)}],
            "gradients": [[laid(g)] for g in GRADIENTS[:updates]]}


def course(name, optimizer, tall=False):
    """A case whose vectors are weights; those of an average are under NAME_x."""
    expected = {"parameters": by_call(numbers(name))}
    if f"{name}_x" in VECTORS:
        expected["evaluation"] = by_call(numbers(f"{name}_x"))
    return case(optimizer, len(expected["parameters"]), tall), expected


def algorithm(name, algorithm_name, options, **rules):
    return course(name, {"name": algorithm_name, **STEP, **rules, algorithm_name: options})


def preset(name, preset_name, tall=False, muon=None, **rules):
    optimizer = {"name": "muon", **STEP, **rules,
                 "muon": {"preset": preset_name, **(muon or {})}}
    made, expected = course(name, optimizer, tall)
    return made, {**expected, "whole": True}


def transform(name, options):
    """A transformed gradient g' is what SGD with lr 1 subtracts from the weight."""
    weight, weights = WEIGHT, {}
    for update, change in transformed(name).items():
        weight = [w - g for w, g in zip(weight, change)]
        weights[update] = weight
    expected = {"parameters": by_call(weights)}
    return case({"name": "sgd", "lr": 1}, len(weights), transform=[options]), expected


def transformed(name):
    """Until MA's queue is full it changes nothing."""
    vectors = numbers(name)
    return {update: vectors.get(update, GRADIENTS[update - 1])
            for update in range(1, max(vectors) + 1)}


def adam(beta2, eps=1e-8):
    return {"beta1": 0.9, "beta2": beta2, "eps": eps}


def lion(beta1, beta2):
    return {"beta1": beta1, "beta2": beta2}


def caution(normaliser):
    return {"caution": True, "caution_normaliser": normaliser}


def schedule_free(form):
    return {**adam(0.999), "form": form, "warmup_steps": 2}


def vector_cases():
    jordan_caution = {"caution_stage": "before"}
    return {
        "muon_jordan": preset("muon_jordan", "jordan"),
        "muon_jordan_tall": preset("muon_jordan_tall", "jordan", tall=True),
        "muon_kempner": preset("muon_kempner", "kempner"),
        "muon_kempner_tall": preset("muon_kempner_tall", "kempner", tall=True),
        "muon_moonlight": preset("muon_moonlight", "moonlight"),
        "muon_keras_seed": preset("muon_keras_seed", "keras_seed"),
        "muon_keras": preset("muon_keras", "keras"),
        "muon_adaptive": preset("muon_adaptive", "adaptive"),
        "muon_keras_addon": preset("muon_keras_addon", "keras_addon"),
        "muon_caution_before": preset("muon_caution_before", "jordan", muon=jordan_caution,
                                      **caution("clamp")),
        "adamw": algorithm("adamw", "adamw", adam(0.995)),
        "adamw_caution_plus_eps": algorithm("adamw_caution_plus_eps", "adamw", adam(0.995),
                                            **caution("plus_eps")),
        "adamw_caution_clamp": algorithm("adamw_caution_clamp", "adamw", adam(0.999, 1e-6),
                                         **caution("clamp")),
        "adamw_caution_plus_one": algorithm("adamw_caution_plus_one", "adamw",
                                            adam(0.999, 1e-6), **caution("plus_one")),
        "nadamw": algorithm("nadamw", "nadamw", {**adam(0.995), "form": "simple"}),
        "nadamw_caution": algorithm("nadamw_caution", "nadamw",
                                    {**adam(0.995), "form": "simple"},
                                    **caution("plus_eps")),
        "nadam_keras": algorithm("nadam_keras", "nadam",
                                 {**adam(0.999, 1e-7), "form": "keras"}, weight_decay=0),
        "lion": algorithm("lion", "lion", lion(0.9, 0.99)),
        "lion_betas": algorithm("lion_betas", "lion", lion(0.9, 0.95)),
        "lion_betas_098": algorithm("lion_betas", "lion", lion(0.95, 0.98)),
        "lion_caution_clamp": algorithm("lion_caution_clamp", "lion", lion(0.95, 0.98),
                                        **caution("clamp")),
        "lion_caution_plus_one": algorithm("lion_caution_plus_one", "lion",
                                           lion(0.95, 0.98), **caution("plus_one")),
        "schedule_free_official": algorithm("schedule_free_official", "schedule_free_adamw",
                                            schedule_free("official")),
        "schedule_free_kempner": algorithm("schedule_free_kempner", "schedule_free_adamw",
                                           schedule_free("kempner")),
        "grokfast_ema_first": transform("grokfast_ema_first", {
            "name": "grokfast_ema", "alpha": 0.98, "lamb": 2, "init": "first"}),
        "grokfast_ema_zero": transform("grokfast_ema_zero", {
            "name": "grokfast_ema", "alpha": 0.98, "lamb": 2, "init": "zero"}),
        "grokfast_ma": transform("grokfast_ma", {
            "name": "grokfast_ma", "window": 2, "lamb": 5, "filter": "mean",
            "warmup": True}),
        "orthograd": transform("orthograd", {"name": "orthograd"}),
    }


def write(path, content):
    """One line for each key: short enough to read, and to compare."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    folder = folder if folder.is_dir() else folder.parent
    for name, (made, expected) in {**vector_cases(), **HAND_CASES}.items():
        write(folder / f"{name}.json", made)
        write(folder / f"{name}.expected.json", {"tolerance": PRINTED, **expected})


if __name__ == "__main__":
    main()
