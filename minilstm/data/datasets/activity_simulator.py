"""A simulator of a phone's accelerometer while a person sits, stands, walks, runs and dances.
Each person has an own gait, an own way to carry the phone and an own order of activities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.datasets.activity_motion import SAMPLE_RATE_HZ, simulate_bout

G = 100.0  # readings are in hundredths of the standard gravity
RESOLUTION = 1.0 / 64.0  # one step of the simulated converter, in the same unit
CLASSES = ("Dancing", "Running", "Sitting", "Standing", "Walking")
# The usual share of a recording that each class fills; people differ from it by up to a fifth.
SHARE = {"Dancing": 0.11, "Running": 0.17, "Sitting": 0.25, "Standing": 0.25, "Walking": 0.22}
TRANSITION_SECONDS = 0.4

# Lowest and highest value of each trait; degrees, hertz, seconds or multiples of gravity.
TRAITS: dict[str, tuple[float, float]] = {
    "gain": (0.945, 0.975),
    "noise": (0.002, 0.008),
    "carry_pitch": (-5.0, 3.0),
    "carry_roll": (-8.0, 8.0),
    "vigorous_pitch": (4.0, 11.0),
    "vigorous_roll": (-2.0, 8.0),
    "sit_pitch": (60.0, 90.0),
    "sit_roll": (-28.0, 16.0),
    "walk_hz": (0.78, 0.95),
    "walk_x": (0.22, 0.3),
    "walk_y": (0.34, 0.44),
    "walk_z": (0.25, 0.34),
    "run_hz": (1.3, 1.45),
    "run_duty": (0.56, 0.62),
    "run_x": (0.56, 0.66),
    "run_z": (0.62, 0.76),
    "dance_hz": (1.65, 1.95),
    "dance_duty": (0.34, 0.39),
    "dance_x": (0.2, 0.28),
    "dance_z": (0.25, 0.4),
    "restless": (0.3, 1.0),
}


class Person(NamedTuple):
    """One simulated person: the traits, and the order and lengths of the bouts."""

    traits: dict[str, float]
    upside_down: bool  # how the phone is carried while standing and walking
    order: tuple[str, ...]  # the five classes, as they follow each other
    share: NDArray[Any]  # (5,) share of the recording of each bout, sums to 1


def draw_people(rng: np.random.Generator, count: int) -> list[Person]:
    """Draw people whose traits are spread evenly over their ranges (a Latin hypercube).

    There are 2 to 10, no two with the same order of activities; the last is meant to be tested on.
    """
    table = {}
    for name, (low, high) in TRAITS.items():
        cells = rng.permutation(count)  # (count,)
        if cells[-1] in (0, count - 1):
            # The person to test on is never the one at the end of a range: a network that has
            # seen six people is asked to fill in between them, not to go beyond them.
            middle = int(np.flatnonzero(cells == count // 2)[0])
            cells[[middle, -1]] = cells[[-1, middle]]
        table[name] = low + (high - low) * (cells + rng.random(count)) / count
    people: list[Person] = []
    # A third carries the phone upside down at first, but never the last person, who is the one
    # to test on: one stranger more in that minority would be a test of luck.
    upside_down = set(rng.permutation(count - 1)[: (count - 1) // 3].tolist())
    for number, order in enumerate(_draw_orders(rng, count)):
        share = np.array([SHARE[name] for name in order]) * rng.uniform(0.8, 1.2, len(order))
        traits = {name: float(column[number]) for name, column in table.items()}
        people.append(Person(traits, number in upside_down, order, share / share.sum()))
    return people


def _draw_orders(rng: np.random.Generator, count: int) -> list[tuple[str, ...]]:
    """Ways round one circuit of the five classes: other starts, and the other direction."""
    # On a circuit the people to train on show each start, and each change, that the last one
    # makes; with free orders most changes would be seen once or never.
    circuit = [CLASSES[k] for k in rng.permutation(len(CLASSES))]
    starts = rng.permutation(len(CLASSES)).tolist()
    forward = [(*circuit[k:], *circuit[:k]) for k in starts]
    backward = [(order[0], *order[:0:-1]) for order in forward]
    return [*forward[1:], *backward][: count - 1] + forward[:1]


def simulate_person(
    rng: np.random.Generator, person: Person, steps: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Simulate one recording: five bouts, joined by short transitions, seen through the sensor.

    Returns
    -------
    x : (T, 3) float32: acceleration on the phone's axes, in hundredths of gravity
    y : (T,) strings: the activity at each step
    """
    traits = person.traits
    edges = np.round(np.concatenate([[0.0], np.cumsum(person.share)]) * steps).astype(int)  # (6,)
    half = round(TRANSITION_SECONDS * SAMPLE_RATE_HZ / 2)
    signal = np.zeros((steps, 3))  # (T, D)
    weight = np.zeros((steps, 1))  # (T, 1)
    for name, start, stop in zip(person.order, edges[:-1], edges[1:], strict=True):
        # A bout runs over its edges by half a transition, so that neighbours can be blended.
        first, last = max(start - half, 0), min(stop + half, steps)
        time = np.arange(first, last)
        rise = np.ones(len(time)) if start == 0 else (time - first + 1) / (2 * half + 1)
        fall = np.ones(len(time)) if stop == steps else (last - time) / (2 * half + 1)
        fade = np.clip(np.minimum(rise, fall), 0.0, 1.0)[:, None]  # (n, 1)
        signal[first:last] += fade * simulate_bout(rng, traits, name, len(time), person.upside_down)
        weight[first:last] += fade
    signal /= weight
    signal += traits["noise"] * rng.standard_normal((steps, 3))
    reading = np.round(G * traits["gain"] * signal / RESOLUTION) * RESOLUTION
    labels = np.repeat(np.array(person.order), np.diff(edges))  # (T,)
    return reading.astype(np.float32), labels
