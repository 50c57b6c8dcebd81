"""Functions of physics and statistics with gradients by hand, as appendices of papers print them.
Integrators, likelihoods, filters, kernels, distances; no layer and no gate among them."""

import numpy as np

from planted.case import CACHED, LOSS, Pair, normal


def oscillator(q, p, k, m, dt, n):
    for _ in range(n):
        p = p - 0.5 * dt * k * q
        q = q + dt * p / m
        p = p - 0.5 * dt * k * q
    return q, p


def oscillator_backward(upstream, q, p, k, m, dt, n):
    steps = []
    for _ in range(n):
        half = p - 0.5 * dt * k * q
        moved = q + dt * half / m
        steps.append((q, half, moved))
        q, p = moved, half - 0.5 * dt * k * moved
    dq, dp = upstream
    dk, dm = np.zeros_like(k), np.zeros_like(m)
    for start, half, moved in reversed(steps):
        dk += -0.5 * dt * moved * dp
        dq = dq - 0.5 * dt * k * dp
        dp = dp + dt / m * dq
        dm -= dt * half / m**2 * dq
        dk -= 0.5 * dt * start * dp
        dq = dq - 0.5 * dt * k * dp
    return dq, dp, dk, dm


def gauss_nll(X, mu, L):
    z = np.linalg.solve(L, (X - mu).T)
    return 0.5 * np.sum(z * z) + len(X) * np.sum(np.log(np.diag(L)))


def gauss_nll_backward(X, mu, L):
    Linv = np.linalg.inv(L)
    z = Linv @ (X - mu).T
    dX = (Linv.T @ z).T
    dL = -Linv.T @ z @ z.T + len(X) * np.diag(1 / np.diag(L))
    return dX, -dX.sum(axis=0), dL


CHOL = np.tril(np.random.default_rng(5).normal(size=(3, 3)) * 0.3) + 1.5 * np.eye(3)


def logistic(w, b, X, y, C):
    s = X @ w + b
    return np.mean(np.log(1 + np.exp(s)) - y * s) + C / 2 * w @ w


def logistic_backward(w, b, X, y, C):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    r = (p - y) / len(y)
    return {"w": X.T @ r + C * w, "b": r.sum(), "X": np.outer(r, w)}


def kalman(x, P, F, H, Q, R, z):
    xp, Pp = F @ x, F @ P @ F.T + Q
    S = H @ Pp @ H.T + R
    K = Pp @ H.T @ np.linalg.inv(S)
    y = z - H @ xp
    return xp + K @ y, Pp - K @ H @ Pp, (x, P, F, H, Pp, S, K, y)


def kalman_backward(dx, dP, cache):
    x, P, F, H, Pp, S, K, y = cache
    Si = np.linalg.inv(S)
    dK = np.outer(dx, y) - dP @ Pp.T @ H.T
    dy = K.T @ dx
    dxp = dx - H.T @ dy
    dA = dK @ Si.T
    dS = -K.T @ dK @ Si.T
    dPp = dP - H.T @ K.T @ dP + dA @ H + H.T @ dS @ H
    dH = -np.outer(dy, F @ x) - K.T @ dP @ Pp.T + dA.T @ Pp + dS @ H @ Pp.T + dS.T @ H @ Pp
    dF = np.outer(dxp, x) + dPp @ F @ P.T + dPp.T @ F @ P
    return F.T @ dxp, F.T @ dPp @ F, dF, dH, dPp, dS, dy


def spread(seed, n):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return a @ a.T / n + np.eye(n)


def bilinear(x, A, y):
    return np.einsum("ni,ij,nj->n", x, A, y)


def bilinear_backward(d, x, A, y):
    return d[:, None] * (y @ A.T), (d[:, None] * x).T @ y, d[:, None] * (x @ A)


def distances(X, Y):
    sq = (X * X).sum(axis=1)[:, None] + (Y * Y).sum(axis=1) - 2 * X @ Y.T
    return np.sqrt(sq)


def distances_backward(dD, X, Y):
    g = dD / np.sqrt((X * X).sum(axis=1)[:, None] + (Y * Y).sum(axis=1) - 2 * X @ Y.T)
    dX = g.sum(axis=1)[:, None] * X - g @ Y
    dY = g.sum(axis=0)[:, None] * Y - g.T @ X
    return dX, dY


def factorise(U, V, bu, bv, users, items, ratings, lam):
    e = (U[users] * V[items]).sum(axis=1) + bu[users] + bv[items] - ratings
    return 0.5 * (e @ e) + 0.5 * lam * ((U**2).sum() + (V**2).sum())


def factorise_backward(U, V, bu, bv, users, items, ratings, lam):
    e = (U[users] * V[items]).sum(axis=1) + bu[users] + bv[items] - ratings
    dU, dV, dbu, dbv = lam * U, lam * V, np.zeros_like(bu), np.zeros_like(bv)
    for u, i, err in zip(users, items, e, strict=True):
        dU[u] += err * V[i]
        dV[i] += err * U[u]
        dbu[u] += err
        dbv[i] += err
    return dU, dV, dbu, dbv, -e


PAIRS = [
    Pair(
        oscillator,
        oscillator_backward,
        normal(1, q=3, p=3)
        | {"k": np.array([1.0, 2.0, 0.5]), "m": np.array([1.0, 1.5, 2.0]), "dt": 0.2, "n": 4},
    ),
    Pair(gauss_nll, gauss_nll_backward, normal(2, X=(6, 3), mu=3) | {"L": CHOL}, LOSS),
    Pair(
        logistic,
        logistic_backward,
        normal(3, w=4, X=(7, 4))
        | {"b": np.array(0.3), "y": np.array([0, 1, 1, 0, 1, 0, 0]), "C": 0.2},
        LOSS,
    ),
    Pair(
        kalman,
        kalman_backward,
        normal(4, x=4, P=(4, 4), F=(4, 4), H=(2, 4), Q=(4, 4), R=(2, 2), z=2)
        | {"P": spread(1, 4), "Q": spread(2, 4), "R": spread(3, 2)},
        CACHED,
    ),
    Pair(bilinear, bilinear_backward, normal(5, x=(5, 3), A=(3, 3), y=(5, 3))),
    Pair(distances, distances_backward, normal(6, X=(4, 3), Y=(4, 3))),
    Pair(
        factorise,
        factorise_backward,
        normal(8, U=(4, 2), V=(5, 2), bu=4, bv=5)
        | {"users": np.array([0, 1, 1, 3, 2, 0]), "items": np.array([4, 0, 2, 2, 1, 3])}
        | {"ratings": np.array([3.0, 1.0, 4.0, 2.0, 5.0, 1.0]), "lam": 0.1},
        LOSS,
    ),
]
