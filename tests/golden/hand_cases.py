"""Cases worked by hand: Keras's tests of its optimizers' base options, and Muon's there."""

ROUNDING = 1e-12
HALF_ROOT = 0.5**0.5
TOO_LARGE = "inf"


def case(parameters, gradients, optimizer=None, **more):
    """`parameters`: name -> (shape, values); SGD with lr 1 moves them by the gradient."""
    return {"optimizer": optimizer or {"name": "sgd", "lr": 1}, **more, "dtype": "float64",
            "parameters": [{"name": name, "shape": shape, "values": values}
                           for name, (shape, values) in parameters.items()],
            "gradients": gradients}


def one(shape, values, gradients, optimizer=None, **more):
    """A case of one parameter; a gradient for each call."""
    return case({"w": (shape, values)}, [[g] for g in gradients], optimizer, **more)


def exactly(*weights, **more):
    """Weights of the only parameter after each call."""
    return {"tolerance": ROUNDING, "parameters": [[w] for w in weights], **more}


def clips():
    """What SGD with lr 1 subtracts from 0 is the clipped gradient."""
    def clip(gradient, **options):
        return one([2], [0, 0], [gradient], transform=[options])

    two = case({"a": ([1], [0]), "b": ([1], [0])}, [[[30], [40]]],
               transform=[{"name": "clip_global_norm", "max_norm": 1}])
    torch_form = {"name": "clip_global_norm", "max_norm": 1, "form": "torch"}
    return {
        "clip_norm": (clip([100, 100], name="clip_norm", max_norm=1),
                      exactly([-HALF_ROOT, -HALF_ROOT])),
        "clip_norm_of_short": (clip([0.3, 0.4], name="clip_norm", max_norm=1),
                               exactly([-0.3, -0.4])),
        "clip_norm_of_zero": (clip([0, 0], name="clip_norm", max_norm=1), exactly([0, 0])),
        "clip_value": (clip([100, -100], name="clip_value", value=1), exactly([-1, 1])),
        "clip_global_norm": (clip([50, 100], name="clip_global_norm", max_norm=1),
                             exactly([-50 / 12500**0.5, -100 / 12500**0.5])),
        "clip_global_norm_of_two": (
            two, {"tolerance": ROUNDING, "parameters": [[[-0.6], [-0.8]]]}),
        "clip_global_norm_torch": (clip([30, 40], **torch_form),
                                   exactly([-30 / 50.000001, -40 / 50.000001])),
    }


def averages():
    """Keras's test of use_ema, and one update more: W = .71, average .9 1.71 + .1 .71."""
    options = {"mode": "ema", "momentum": 0.9, "overwrite_every": 3}
    ones = [1, 1, 1, 1]
    after = [[2, 3, 4, 5], [1, 2, 3, 4], [1.71, 2.71, 3.71, 4.71],
             [0.71, 1.71, 2.71, 3.71]]
    average = [[2, 3, 4, 5], [1.9, 2.9, 3.9, 4.9], [1.71, 2.71, 3.71, 4.71],
               [1.61, 2.61, 3.61, 4.61]]
    return {"average": (one([2, 2], [3, 4, 5, 6], [ones] * 4, average=options),
                        exactly(*after, evaluation=[[w] for w in average],
                                updates=[1, 2, 3, 4]))}


def accumulations():
    """An update each third call, by the mean; the average moves with updates only."""
    weight, by_three = [1, 2, 3, 4], [{"name": "accumulate", "steps": 3}]
    moved = [0, 1, 2, 3]
    plain = one([2, 2], weight, [[1, 1, 1, 1]] * 3, transform=by_three)
    calls = [[0, 0, 0, 3], [3, 0, 0, 0], [0, 3, 0, 0]] * 2
    once, twice = [0, 1, 3, 3], [-1, 0, 3, 2]
    averaged = one([2, 2], weight, calls, transform=by_three,
                   average={"mode": "ema", "momentum": 0.5})
    # A call without gradient counts; the mean is over all three.
    some = one([1], [0], [[3], None, [6]], transform=by_three)
    overwrite = {"name": "sgd", "lr": 1, "overwrite_with_gradient": "scale"}
    scale = case({"w": ([1], [0]), "scale": ([2], [7, 7])},
                 [[[1], [3, 1]], [[3], [2, 5]]], overwrite,
                 transform=[{"name": "accumulate", "steps": 2}])
    return {
        "accumulate": (plain, exactly(weight, weight, moved, updates=[0, 0, 1],
                                      lr=[None, None, 1])),
        "accumulate_average": (averaged, exactly(
            weight, weight, once, once, once, twice, updates=[0, 0, 1, 1, 1, 2],
            evaluation=[None, None, [once], None, None, [[-0.5, 0.5, 3, 2.5]]])),
        "accumulate_missing": (some, exactly([0], [0], [-3])),
        "overwrite_with_gradient": (scale, {
            "tolerance": ROUNDING, "parameters": [[[0], [7, 7]], [[-2], [3, 5]]]}),
    }


def loss_scales():
    """The scale divides. A call that is not finite moves neither momentum nor schedule:
    buf = 1, 1.5, 1.75, times lr = 1, 0.75, 0.5."""
    optimizer = {"name": "sgd", "lr": 1, "sgd": {"momentum": 0.5}}
    schedule = {"name": "linear", "min_lr_ratio": 0, "decay_steps": 4}
    gradients = [[2**15], [TOO_LARGE], [2**14], [2**14]]
    dynamic = one([1], [0], gradients, optimizer, schedule=schedule, train={"steps": 4},
                  loss_scale={"mode": "dynamic", "scale": 2**15, "growth_steps": 2})
    static = one([2], [0, 0], [[512, 1024]], loss_scale={"mode": "static", "scale": 1024})
    skipped = one([1], [0], [[1], ["nan"], [1]], optimizer)
    return {
        "loss_scale_static": (static, exactly([-0.5, -1], loss_scale=[1024])),
        "loss_scale_dynamic": (dynamic, exactly(
            [-1], [-1], [-2.125], [-3], updates=[1, 1, 2, 3], lr=[1, None, 0.75, 0.5],
            loss_scale=[2**15, 2**14, 2**14, 2**15])),
        "not_finite": (skipped, exactly([-1], [-1], [-2.5], updates=[1, 1, 2],
                                        lr=[1, None, 1])),
    }


def missing_gradients():
    """A call without b's gradient: b stays, does not decay, and its t does not advance.
    SGD: .9 1 - 1 = -.1, .9 (-.1) - 1 = -1.09, and so on."""
    sgd = {"name": "sgd", "lr": 1, "weight_decay": 0.1, "decay": "all"}
    plain = case({"a": ([1], [1]), "b": ([1], [1])}, [[[1], [1]], [[1], None], [[1], [1]]],
                 sgd)
    adam = {"name": "adam", "lr": 0.1, "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-12}}
    # Moments of equal gradients, corrected by the parameter's own t, are those gradients:
    # each update moves by lr.
    constant = case({"a": ([1], [0]), "b": ([1], [0])},
                    [[[1], [2]], [[1], None], [[1], [2]]], adam)
    return {
        "missing_gradient": (plain, {"tolerance": ROUNDING, "parameters": [
            [[-0.1], [-0.1]], [[-1.09], [-0.1]], [[-1.981], [-1.09]]]}),
        "missing_gradient_adam": (constant, {"tolerance": 1e-11, "parameters": [
            [[-0.1], [-0.1]], [[-0.2], [-0.1]], [[-0.3], [-0.2]]]}),
    }


def keras_muon():
    """Values in Keras's own tests, to their digits."""
    def muon(preset, **options):
        return {"name": "muon", "lr": 0.5, "weight_decay": 0,
                "muon": {"preset": preset, **options}}

    square = [[2, 2], [1, 2, 3, 4], [[1, 6, 7, 2]]]
    polar = {"name": "muon", "lr": 1, "weight_decay": 0,
             "muon": {"nesterov": False, "scale": "none", "ns_eps": 1e-7}}
    return {
        "keras_newton_schulz": (
            one([2, 2], [0, 0, 0, 0], [[0.2499, 0.9105, 0.2655, 0.8824]], polar),
            {"tolerance": 1e-3, "whole": True,
             "parameters": [[[0.442, -0.646, -0.728, -0.297]]]}),
        "keras_muon": (one(*square, muon("keras")), {
            "tolerance": 1e-6, "whole": True,
            "parameters": [[[0.988775, 1.887053, 2.873428, 3.970350]]]}),
        "keras_seed_muon": (one(*square, muon("keras_seed")), {
            "tolerance": 1e-6, "whole": True,
            "parameters": [[[1.134072, 1.513779, 2.579922, 4.064357]]]}),
        # 1-D: its AdamW, whose eps of 1e-7 beside sqrt(.001) takes 3.2e-6 of the step.
        "keras_muon_adam": (one([4], [1, 2, 3, 4], [[1, 6, 7, 2]], muon("keras")), {
            "tolerance": 2e-6, "parameters": [[[0.5, 1.5, 2.5, 3.5]]]}),
    }


def routings():
    """Who takes what under each preset: parameter -> [algorithm, weight decay]."""
    parameters = {"embed.weight": ([2, 2], [1, 2, 3, 4]), "a.weight": ([2, 2], [1, 2, 3, 4]),
                  "a.bias": ([2], [1, 2]), "conv": ([2, 1, 2], [1, 2, 3, 4]),
                  "out": ([2, 2], [1, 2, 3, 4]), "long": ([1, 11], list(range(11)))}
    roles = {"embed.weight": "embedding", "out": "head"}

    def routed(preset):
        optimizer = {"name": "muon", "lr": 0.1, "weight_decay": 0.01,
                     "muon": {"preset": preset}}
        made = case(parameters, [[values for _, values in parameters.values()]], optimizer)
        for parameter in made["parameters"]:
            if parameter["name"] in roles:
                parameter["role"] = roles[parameter["name"]]
        return made

    def groups(*rows):
        return {"whole": True, "groups": dict(zip(parameters, rows, strict=True))}

    muon, adam, nadam = ["muon", 0.01], ["adamw", 0.01], ["nadamw", 0.01]
    own, none = ["adamw", 0], ["adamw", 0]  # Jordan's AdamW has a decay of its own, 0.
    return {
        "route_jordan": (routed("jordan"), groups(own, muon, none, muon, own, muon)),
        "route_kempner": (routed("kempner"), groups(adam, muon, none, muon, adam, adam)),
        "route_moonlight": (routed("moonlight"), groups(adam, muon, adam, adam, adam, muon)),
        "route_keras": (routed("keras"), groups(adam, muon, adam, adam, adam, muon)),
        "route_keras_seed": (routed("keras_seed"),
                             groups(adam, muon, adam, muon, adam, muon)),
        "route_keras_addon": (routed("keras_addon"),
                              groups(nadam, muon, nadam, muon, nadam, muon)),
    }


def internal_lrs():
    """Jordan's AdamW: lr 3e-4 times the schedule. Keras's first: a tenth of lr, decay with
    the full lr: .999 1 - .1 .1, to the 3.2e-6 of a step that eps takes."""
    def muon(preset):
        return {"name": "muon", "lr": 0.1, "weight_decay": 0.01, "muon": {"preset": preset}}

    halved = one([1], [1], [[1], [1]], muon("jordan"),
                 schedule={"name": "linear", "min_lr_ratio": 0, "decay_steps": 2})
    return {
        "internal_lr": (halved, {"tolerance": ROUNDING, "lr": [
            [0.1, 0.1, 3e-4, 3e-4], [0.05, 0.05, 1.5e-4, 1.5e-4]]}),
        "internal_decay_lr": (one([1], [1], [[1]], muon("keras_seed")),
                              {"tolerance": 1e-7, "parameters": [[[0.989]]]}),
    }


HAND_CASES = {**clips(), **averages(), **accumulations(), **loss_scales(),
              **missing_gradients(), **keras_muon(), **routings(), **internal_lrs()}
