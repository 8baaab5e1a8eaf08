"""One step of any one-step method on a scalar equation, in 40 digits: what coefficients mean."""

from mpmath import mp, mpf

mp.dps = 40
SMALL = mpf(10) ** -36


def number(value):
    return mpf(value.numerator) / value.denominator


def step(method, equation, t, x, h):
    """x at t + h and the raw error estimate, 0 where the method has none."""
    return {"explicit": _explicit, "implicit": _implicit, "rosenbrock": _rosenbrock}[method.family](
        method, equation, t, x, h
    )


def solve(method, equation, start, stop, x, count):
    h = (mpf(stop) - start) / count
    for k in range(count):
        x, _ = step(method, equation, start + k * h, x, h)
    return x


def _sum(weights, values):
    return sum((number(w) * v for w, v in zip(weights, values) if w), mpf(0))


def _explicit(method, equation, t, x, h):
    k = []
    for row, node in zip(method.a, method.c):
        k.append(equation.f(t + number(node) * h, x + h * _sum(row, k)))
    x_next = x + h * _sum(method.b, k)
    if method.first_same_as_last:
        k.append(equation.f(t + h, x_next))
    error, second = (h * _sum(weights, k) for weights in (method.error, method.error3))
    if method.error3 and error:
        error = error**2 / mp.sqrt(error**2 + second**2 / 100)
    return x_next, error


def _implicit(method, equation, t, x, h):
    k = implicit_stages(method, equation, t, x, h)
    error = h * (_sum(method.error, k) + number(method.start_error) * equation.f(t, x))
    return x + h * _sum(method.b, k), error / (1 - h * number(method.filter) * equation.f_x(t, x))


def implicit_stages(method, equation, t, x, h):
    return (_one_by_one if method.diagonal else _together)(method, equation, t, x, h)


def _one_by_one(method, equation, t, x, h):
    k = []
    for i, (row, node) in enumerate(zip(method.a, method.c)):
        time, known, own = t + number(node) * h, x + h * _sum(row, k), h * number(row[i])
        slope = equation.f(time, known)
        for _ in range(50):
            state = known + own * slope
            change = (slope - equation.f(time, state)) / (1 - own * equation.f_x(time, state))
            slope -= change
            if abs(change) < SMALL:
                break
        else:
            raise ArithmeticError("Newton's method did not converge")
        k.append(slope)
    return k


def _together(method, equation, t, x, h):
    stages = range(method.stages)
    a = [[number(entry) for entry in row] for row in method.a]
    times = [t + number(node) * h for node in method.c]
    k = mp.matrix([equation.f(t, x)] * method.stages)
    for _ in range(50):
        states = [x + h * sum(a[i][j] * k[j] for j in stages) for i in stages]
        residual = mp.matrix([k[i] - equation.f(times[i], states[i]) for i in stages])
        slopes = [equation.f_x(times[i], states[i]) for i in stages]
        change = mp.lu_solve(
            mp.matrix([[(i == j) - h * slopes[i] * a[i][j] for j in stages] for i in stages]), residual
        )
        k -= change
        if mp.norm(change) < SMALL:
            return list(k)
    raise ArithmeticError("Newton's method did not converge")


def _rosenbrock(method, equation, t, x, h):
    u = rosenbrock_stages(method, equation, t, x, h)
    return x + _sum(method.m, u), _sum(method.error, u)


def rosenbrock_stages(method, equation, t, x, h):
    jacobian, f_t = equation.f_x(t, x), equation.f_t(t, x)
    u = []
    for i in range(method.stages):
        slope = equation.f(t + number(method.alpha[i]) * h, x + _sum(method.a[i], u))
        right = slope + _sum(method.c[i], u) / h + number(method.d[i]) * h * f_t
        u.append(right / (1 / (h * number(method.gamma)) - jacobian))
    return u


class Logistic:
    """x' = x (1 - x), autonomous."""

    span, solution = (
        (0, 4),
        staticmethod(lambda t: 1 / (1 + mpf(7) / 3 * mp.exp(-t))),
    )

    f = staticmethod(lambda t, x: x * (1 - x))
    f_x = staticmethod(lambda t, x: 1 - 2 * x)
    f_t = staticmethod(lambda t, x: mpf(0))


class Sine:
    """x' = cos t + x (sin t - x), whose right-hand side depends on time; x = sin t."""

    span, solution = (
        (0, 1),
        staticmethod(lambda t: mp.sin(t)),
    )

    f = staticmethod(lambda t, x: mp.cos(t) + x * (mp.sin(t) - x))
    f_x = staticmethod(lambda t, x: mp.sin(t) - 2 * x)
    f_t = staticmethod(lambda t, x: x * mp.cos(t) - mp.sin(t))


class Witch:
    """x' = -2 t x², the witch of Agnesi: x = 1/(1 + t²)."""

    span, solution = (
        (0, 1),
        staticmethod(lambda t: 1 / (1 + mpf(t) ** 2)),
    )

    f = staticmethod(lambda t, x: -2 * t * x**2)
    f_x = staticmethod(lambda t, x: -4 * t * x)
    f_t = staticmethod(lambda t, x: -2 * x**2)
