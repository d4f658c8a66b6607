"""Derives the greedy minimax tables of core/src/coefficients.cpp and prints them.

    python tests/reference/coefficients.py

Polar Express (arXiv 2505.16932, section 3): the polynomial of a step is the odd quintic that
is closest to 1 on the interval that the steps before leave, [l, u]; it equioscillates at four
points. Two changes for rounding. Cushion: on wide intervals that polynomial takes some large
singular values close to 0, so it is solved on [max(l, cushion u), u] and scaled to be centred
on [l, u]. Safety s: p(x / s) takes values up to s times the interval's end.

Decimal arithmetic: the equations of a narrow interval are nearly singular.
"""

from decimal import Decimal, getcontext

getcontext().prec = 80

PAPER_CUSHION = Decimal("0.02407327424182761")
OUR_CUSHION = Decimal("0.024073")

# name: (l, safety, cushion, steps)
TABLES = {
    "fast4": ("1e-2", "1.02", OUR_CUSHION, 4),
    "std5": ("3e-3", "1.02", OUR_CUSHION, 5),
    "acc6": ("1e-3", "1.02", OUR_CUSHION, 6),
    "acc8": ("1e-4", "1.01", OUR_CUSHION, 8),
    "exact13": ("1e-6", "1.005", OUR_CUSHION, 13),
    "polar_express5": ("1e-3", "1.02", Decimal("0.02"), 5),
    "polar_express, undivided": ("1e-3", "1", PAPER_CUSHION, 7),
}


def solve(matrix, right):
    """Gaussian elimination with the largest pivot."""
    rows = [list(row) + [value] for row, value in zip(matrix, right)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(column + 1, size):
            factor = rows[i][column] / rows[column][column]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[column])]
    solution = [Decimal(0)] * size
    for i in reversed(range(size)):
        known = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (rows[i][size] - known) / rows[i][i]
    return solution


def minimax_quintic(low, high):
    """(a, b, c) with the least greatest |1 - p(x)| on [low, high], by Remez's exchange."""
    if low >= high * (1 - Decimal("1e-20")):  # the limit: p = 1, p' = p'' = 0 at high
        a, b, c = Decimal("1.875"), Decimal("-1.25"), Decimal("0.375")
        return a / high, b / high**3, c / high**5
    inner = [(3 * low + high) / 4, (low + 3 * high) / 4]
    error, change = Decimal(0), Decimal(1)
    while change > Decimal("1e-40"):
        points = [low, *inner, high]
        signs = [1, -1, 1, -1]
        matrix = [[x, x**3, x**5, Decimal(sign)] for x, sign in zip(points, signs)]
        a, b, c, new_error = solve(matrix, [Decimal(1)] * 4)
        root = (9 * b * b - 20 * a * c).sqrt()  # p' = a + 3 b x^2 + 5 c x^4
        inner = [((-3 * b + sign * root) / (10 * c)).sqrt() for sign in (-1, 1)]
        change, error = abs(new_error - error), new_error
    return a, b, c


def evaluate(row, x):
    a, b, c = row
    return x * (a + x * x * (b + x * x * c))


def table(low, safety, cushion, steps):
    low, high, safety = Decimal(low), Decimal(1), Decimal(safety)
    rows = []
    for step in range(steps):
        row = minimax_quintic(max(low, cushion * high), high)
        centre = (evaluate(row, low) + evaluate(row, high)) / 2
        row = [coefficient / centre for coefficient in row]
        if step < steps - 1:
            row = [x / safety**power for x, power in zip(row, (1, 3, 5))]
        low = evaluate(row, low)
        high = 2 - low
        rows.append(tuple(row))
    return rows, low, high


def main():
    for name, settings in TABLES.items():
        rows, low, high = table(*settings)
        print(f"{name}: [{settings[0]}, 1] -> 1 -+ {float(1 - low):.3e}")
        for row in rows:
            print("    {" + ", ".join(repr(float(x)) for x in row) + "},")


if __name__ == "__main__":
    main()
