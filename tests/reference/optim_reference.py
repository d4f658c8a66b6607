"""Writes optim_reference.h: weights after 10 steps of PyTorch's own optimizers, in float64.

    python tests/reference/optim_reference.py > tests/reference/optim_reference.h

PyTorch has no Lion: that one is written out here from its paper. torch.optim.Muon always
orthogonalizes in bf16: it gets a float64 Newton-Schulz instead, and nothing else changes.
"""

import math

import torch

ROWS, COLS, STEPS = 4, 3, 10
LR, DECAY = 0.01, 0.1


def initial():
    """[ROWS, COLS]; tests build the same numbers."""
    i = torch.arange(ROWS * COLS, dtype=torch.float64)
    return torch.cos(0.9 * i).view(ROWS, COLS)


def gradient(weight, step):
    """Of step 1, 2, ...: a wave, and a pull of the weights towards zero."""
    i = torch.arange(ROWS * COLS, dtype=torch.float64)
    return torch.sin(1.3 * i + 0.7 * step).view(ROWS, COLS) + 0.1 * weight.detach()


def train(optimizer_class, **options):
    weight = torch.nn.Parameter(initial())
    optimizer = optimizer_class([weight], lr=LR, weight_decay=DECAY, **options)
    for step in range(1, STEPS + 1):
        weight.grad = gradient(weight, step)
        optimizer.step()
    return weight.detach()


def train_lion(beta1=0.9, beta2=0.99):
    weight, momentum = initial(), torch.zeros(ROWS, COLS, dtype=torch.float64)
    for step in range(1, STEPS + 1):
        grad = gradient(weight, step)
        update = torch.sign(beta1 * momentum + (1 - beta1) * grad)
        weight = weight - LR * (update + DECAY * weight)
        momentum = beta2 * momentum + (1 - beta2) * grad
    return weight


def newton_schulz(matrix, coefficients, steps, eps):
    """By singular values, which is what the iteration acts on: no matrix products."""
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    s = s / max(math.sqrt(float((s * s).sum())), eps)
    a, b, c = coefficients
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return u @ torch.diag(s) @ vh


def write(name, comment, weight):
    numbers = [f"{x:.17g}" for x in weight.flatten().tolist()]
    print(f"\n// [{ROWS}, {COLS}]; {comment}")
    print(f"inline constexpr double {name}[] = {{")
    for row in range(ROWS):
        print("    " + ", ".join(numbers[row * COLS : (row + 1) * COLS]) + ",")
    print("};")


def main():
    torch.set_default_dtype(torch.float64)
    torch.optim._muon._zeropower_via_newtonschulz = newton_schulz
    print(f"/// Written by optim_reference.py with PyTorch {torch.__version__.split('+')[0]}.")
    print("#pragma once\n\nnamespace shardopt::reference {")
    print(f"\ninline constexpr double kLr = {LR};")
    print(f"inline constexpr double kDecay = {DECAY};")
    print(f"inline constexpr int kSteps = {STEPS};")
    adamw = train(torch.optim.AdamW, betas=(0.9, 0.95), eps=1e-8)
    write("kAdamW", "betas (0.9, 0.95), eps 1e-8", adamw)
    write("kLion", "betas (0.9, 0.99)", train_lion())
    for nesterov in (True, False):
        for kind, factor in (("original", "Aspect"), ("match_rms_adamw", "Rms")):
            name = f"kMuon{factor}{'' if nesterov else 'Plain'}"
            comment = f"momentum 0.95, {'Nesterov' if nesterov else 'plain'}, {kind}"
            weight = train(
                torch.optim.Muon, momentum=0.95, nesterov=nesterov, adjust_lr_fn=kind
            )
            write(name, comment, weight)
    print("\n}  // namespace shardopt::reference")


if __name__ == "__main__":
    main()
