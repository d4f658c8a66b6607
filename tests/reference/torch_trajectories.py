"""Fifty updates of PyTorch's own optimizers in float64, and the same as replay cases.

    python tests/reference/torch_trajectories.py

prints {name: {"case", "parameters", "tolerance"}}: a case for shardopt-replay, and the
weights after each call as PyTorch has them. Compared are those whose definitions agree:
decay is decoupled, and NAdam's momentum decay is 1 (Keras's schedule). torch.optim.Muon
gets a float64 Newton-Schulz that divides by norm + eps in place of its own in bfloat16;
nothing else changes.
"""

import json

import torch

CALLS = 50
MATRICES = {"wide": [4, 6], "tall": [6, 4], "square": [3, 3]}
ALL = {**MATRICES, "vector": [5]}
BETAS = {"beta1": 0.9, "beta2": 0.95}
ROUNDING = 1e-12  # Of fifty updates, at numbers of size 1.
# Beside momentum that is 20 times as long, eps weighs 20 times less. With gradients of
# size 1 that alone makes 4e-7: Muon's are larger here, and it takes any size.
OTHER_EPS = 1e-8
MUON_SIZE = 1000


def newton_schulz(matrix, coefficients, steps, eps):
    """By singular values, which is what the iteration acts on: no matrix products."""
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    s = s / (matrix.norm() + eps)
    a, b, c = coefficients
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return u @ torch.diag(s) @ vh


def draw(shapes, size):
    """Initial weights, and gradients by call: each call's of another size."""
    generator = torch.Generator().manual_seed(6)
    normal = lambda shape: torch.randn(shape, generator=generator)  # noqa: E731
    weights = [normal(shape) for shape in shapes.values()]
    sizes = [size * 10 ** normal([]).item() for _ in range(CALLS)]
    return weights, [[scale * normal(shape) for shape in shapes.values()] for scale in sizes]


def flat(tensors):
    return [tensor.flatten().tolist() for tensor in tensors]


def compare(shapes, optimizer_class, options, ours, tolerance=ROUNDING, size=1):
    weights, gradients = draw(shapes, size)
    case = {"optimizer": {"decay": "all", **ours}, "dtype": "float64",
            "parameters": [{"name": name, "shape": shapes[name], "values": values}
                           for name, values in zip(shapes, flat(weights))],
            "gradients": [flat(grads) for grads in gradients]}
    parameters = [torch.nn.Parameter(weight) for weight in weights]
    optimizer = optimizer_class(parameters, **options)
    after = []
    for grads in gradients:
        for parameter, grad in zip(parameters, grads):
            parameter.grad = grad
        optimizer.step()
        after.append(flat(parameter.detach() for parameter in parameters))
    return {"case": case, "parameters": after, "tolerance": tolerance}


def adam(optimizer_class, name, lr=0.01, decay=0.0, theirs=None, **ours):
    decays = {"weight_decay": decay, **(theirs or {})}
    return compare(ALL, optimizer_class,
                   {"lr": lr, "betas": tuple(BETAS.values()), "eps": 1e-8, **decays},
                   {"name": name, "lr": lr, "weight_decay": decay,
                    name: {**BETAS, "eps": 1e-8, **ours}})


def sgd(lr=0.001, **options):
    return compare(ALL, torch.optim.SGD, {"lr": lr, **options},
                   {"name": "sgd", "lr": lr, "weight_decay": 0, "sgd": options})


def muon(scale, adjust, form="ema", nesterov=True, tolerance=ROUNDING):
    theirs = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95, "nesterov": nesterov,
              "adjust_lr_fn": adjust}
    ours = {"name": "muon", "lr": 0.02, "weight_decay": 0.1,
            "muon": {"momentum": 0.95, "nesterov": nesterov, "momentum_form": form,
                     "ns_eps": 1e-7, "scale": scale}}
    return compare(MATRICES, torch.optim.Muon, theirs, ours, tolerance, MUON_SIZE)


def trajectories():
    decoupled = {"decoupled_weight_decay": True}
    keras = {"momentum_decay": 1}
    optim = torch.optim
    return {
        "adamw": adam(optim.AdamW, "adamw", decay=0.1),
        "adamw_amsgrad": adam(optim.AdamW, "adamw", decay=0.1, theirs={"amsgrad": True},
                              amsgrad=True),
        "adam": adam(optim.Adam, "adam"),
        "adam_decoupled": adam(optim.Adam, "adam", decay=0.1, theirs=decoupled),
        "nadam_keras": adam(optim.NAdam, "nadam", theirs=keras, form="keras"),
        "nadamw_keras": adam(optim.NAdam, "nadamw", decay=0.1,
                             theirs={**keras, **decoupled}, form="keras"),
        "sgd": sgd(),
        "sgd_momentum": sgd(momentum=0.9),
        "sgd_nesterov": sgd(momentum=0.9, nesterov=True),
        "muon_aspect": muon("aspect_flat", "original"),
        "muon_rms": muon("rms", "match_rms_adamw"),
        "muon_plain": muon("aspect_flat", "original", nesterov=False),
        "muon_heavy_ball": muon("aspect_flat", "original", "heavy_ball",
                                tolerance=OTHER_EPS),
    }


def main():
    torch.set_default_dtype(torch.float64)
    torch.optim._muon._zeropower_via_newtonschulz = newton_schulz
    print(json.dumps(trajectories()))


if __name__ == "__main__":
    main()
