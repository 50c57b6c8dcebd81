"""The motions behind the simulated activities: rest, walk, run and dance, and the phone's posture.
Each is a short physical model at ten steps a second; axes x (sideways), y (up), z (ahead)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 10.0
LEAN = 5.0  # degrees
# Weights of the harmonics 1..6 of the stride frequency, on the axes x, y, z.
WALK_HARMONICS = (
    (0.5, 0.3, 0.35, 0.3, 0.3, 0.2),
    (0.2, 0.6, 0.15, 0.4, 0.1, 0.25),
    (0.6, 0.5, 0.25, 0.25, 0.15, 0.1),
)
RUN_HARMONICS = (
    (0.35, 0.6, 0.3, 0.4, 0.2, 0.1),
    (0.2, 0.1, 0.1, 0.1, 0.05, 0.05),
    (0.4, 0.6, 0.25, 0.35, 0.15, 0.1),
)


def simulate_bout(
    rng: np.random.Generator, traits: dict[str, float], name: str, n: int, upside_down: bool
) -> NDArray[Any]:
    """Simulate one bout of one activity, such as "Walking", over n steps at 10 Hz.

    The traits of the person are frequencies in hertz, angles in degrees and sizes in gravities.
    `upside_down` says whether the phone is carried end over end while standing and walking.

    Returns
    -------
    (n, 3) acceleration on the phone's axes, in multiples of gravity, without noise
    """
    upright = -1.0 if upside_down else 1.0
    if name == "Sitting":
        pitch, roll = _posture(rng, n, traits["sit_pitch"], traits["sit_roll"], traits["restless"])
        return _turn(_at_rest(rng, n, traits["restless"]), pitch, roll, 1.0)
    # A walker leans forward, and the thigh with the phone with him.
    lean = LEAN if name == "Walking" else 0.0
    pitch, roll = _posture(
        rng, n, traits["carry_pitch"] + lean, traits["carry_roll"], traits["restless"]
    )
    if name == "Standing":
        return _turn(_at_rest(rng, n, traits["restless"]), pitch, roll, upright)
    if name == "Walking":
        return _turn(_walk(rng, traits, n), pitch, roll, upright)
    # Before running and dancing the phone is put back the right way up, and held tighter.
    pitch, roll = _posture(rng, n, traits["vigorous_pitch"], traits["vigorous_roll"], 0.3)
    move = _run(rng, traits, n) if name == "Running" else _dance(rng, traits, n)
    return _turn(move, pitch, roll, 1.0)


def _at_rest(rng: np.random.Generator, n: int, restless: float) -> NDArray[Any]:
    """Gravity, body sway, and now and then a fidget of a second or two: (n, 3)."""
    body = np.zeros((n, 3))
    body[:, 1] = -1.0
    envelope = np.zeros(n)
    for start in rng.integers(0, n, rng.poisson(n * restless / 2000.0)):
        length = int(rng.integers(3, 20))
        size = rng.uniform(0.02, 0.12)
        window = np.hanning(length + 2)[1:-1][: n - start]
        envelope[start : start + length] += size * window
    body += envelope[:, None] * rng.standard_normal((n, 3))
    return body


def _walk(rng: np.random.Generator, traits: dict[str, float], n: int) -> NDArray[Any]:
    """Gravity and the harmonics of the stride: (n, 3)."""
    phase = _phase(rng, n, traits["walk_hz"], 0.03)
    size = np.array([traits["walk_x"], traits["walk_y"], traits["walk_z"]])
    body: NDArray[Any] = size * _harmonics(rng, phase, WALK_HARMONICS)
    body *= _each(rng, 2 * phase, 0.12)[:, None]
    body += 0.2 * size * rng.standard_normal((n, 3))
    body[:, 1] -= 1.0
    return body


def _run(rng: np.random.Generator, traits: dict[str, float], n: int) -> NDArray[Any]:
    """Flight without weight, then a push of several g, twice a stride: (n, 3)."""
    phase = _phase(rng, n, traits["run_hz"], 0.03)
    push = _pulse(2 * phase, traits["run_duty"]) * _each(rng, 2 * phase, 0.1)
    size = np.array([traits["run_x"], 0.25, traits["run_z"]])
    body: NDArray[Any] = size * _harmonics(rng, phase, RUN_HARMONICS)
    body[:, 1] -= push
    body += 0.1 * np.sqrt(push)[:, None] * rng.standard_normal((n, 3))
    return body


def _dance(rng: np.random.Generator, traits: dict[str, float], n: int) -> NDArray[Any]:
    """A hop on every beat, a sway on every second; the move changes every eight beats: (n, 3)."""
    beat = _phase(rng, n, traits["dance_hz"], 0.01)
    hop = _pulse(beat, traits["dance_duty"]) * _each(rng, beat, 0.15)
    sway = _each(rng, beat / 8, 0.35)
    body = np.empty((n, 3))
    body[:, 0] = traits["dance_x"] * (1.2 * sway * np.sin(np.pi * beat) + 0.4 * (hop - 1.0))
    body[:, 1] = -hop
    body[:, 2] = traits["dance_z"] * (
        0.6 * sway * np.cos(np.pi * beat) + 0.8 * _each(rng, beat / 8, 0.3) * (hop - 1.0)
    )
    body += 0.1 * np.sqrt(hop)[:, None] * rng.standard_normal((n, 3))
    return body


def _phase(rng: np.random.Generator, n: int, hertz: float, wander: float) -> NDArray[Any]:
    """Cycles since the start, for a frequency that wanders a little: (n,)."""
    rate = hertz * (1.0 + wander * _slow(rng, n, 5.0))
    # A motion starts with a step, not in the middle of one.
    phase: NDArray[Any] = 0.1 * rng.random() + np.cumsum(rate) / SAMPLE_RATE_HZ
    return phase


def _each(rng: np.random.Generator, cycles: NDArray[Any], spread: float) -> NDArray[Any]:
    """A random strength near 1 that is new in every cycle: (n,)."""
    number = np.floor(cycles - np.floor(cycles[0])).astype(int)  # (n,)
    strength = np.exp(spread * rng.standard_normal(number[-1] + 1) - spread**2 / 2)
    every: NDArray[Any] = strength[number]  # (n,)
    return every


def _pulse(cycles: NDArray[Any], duty: float) -> NDArray[Any]:
    """Half sines that fill `duty` of each cycle, with mean 1, as the mean force is the weight."""
    part = (cycles % 1.0) / duty
    return np.where(part < 1.0, np.pi / (2.0 * duty) * np.sin(np.pi * np.minimum(part, 1.0)), 0.0)


def _harmonics(
    rng: np.random.Generator, phase: NDArray[Any], weights: tuple[tuple[float, ...], ...]
) -> NDArray[Any]:
    """A periodic motion with root mean square 1 on each axis: (n, 3)."""
    motion = np.zeros((len(phase), len(weights)))
    for axis, row in enumerate(weights):
        size = np.array(row) * np.exp(0.1 * rng.standard_normal(len(row)))
        size *= np.sqrt(2.0 / np.sum(size**2))
        # Quadratic phases keep the peaks low (Schroeder); people differ a little around them.
        orders = np.arange(1, len(row) + 1)
        shifts = orders**2 / (2.0 * len(row)) + 0.25 * axis + 0.02 * rng.standard_normal(len(row))
        for order, amount, shift in zip(orders, size, shifts, strict=True):
            motion[:, axis] += amount * np.sin(2.0 * np.pi * (order * phase + shift))
    return motion


def _slow(rng: np.random.Generator, n: int, seconds: float) -> NDArray[Any]:
    """A random curve of about unit size that needs `seconds` to change: (n,)."""
    knots = int(n / (seconds * SAMPLE_RATE_HZ)) + 2
    at = np.arange(n) / (seconds * SAMPLE_RATE_HZ)
    return np.interp(at, np.arange(knots), rng.standard_normal(knots))


def _posture(
    rng: np.random.Generator, n: int, pitch: float, roll: float, restless: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pitch and roll in radians: sway, and a new posture every few minutes, each (n,)."""
    angles = []
    changes = np.sort(rng.integers(0, n, rng.poisson(n * restless / 1200.0)))
    held = np.searchsorted(changes, np.arange(n), side="right")  # (n,)
    for centre in (pitch, roll):
        level = 4.0 * restless * rng.standard_normal(len(changes) + 1)
        angle = centre + level[held] + 1.2 * restless * _slow(rng, n, 4.0)
        angles.append(np.deg2rad(angle))
    return angles[0], angles[1]


def _turn(
    body: NDArray[Any], pitch: NDArray[Any], roll: NDArray[Any], upright: float
) -> NDArray[Any]:
    """From the body's axes to the phone's: roll, then pitch, then end over end: (n, 3)."""
    x = body[:, 0] * np.cos(roll) - body[:, 1] * np.sin(roll)
    y = body[:, 0] * np.sin(roll) + body[:, 1] * np.cos(roll)
    across = y * np.cos(pitch) + body[:, 2] * np.sin(pitch)
    depth = -y * np.sin(pitch) + body[:, 2] * np.cos(pitch)
    return np.stack([upright * x, upright * across, depth], axis=1)  # (n, 3)
