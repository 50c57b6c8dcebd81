"""A training that some ranks share: mpiexec starts it with a name of `CASES`.
Rank 0 prints what all of them ended with, in one line of JSON."""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from interrupted import HELD, LAYERS, MANY, SHORT, X, Y, known

import minilstm as ml
from minilstm.training.ranks.world import find_world

# 12 sequences in mini-batches of 5, so the last has fewer sequences than there are shards.
HOW = {**SHORT, **MANY, "mini_batch_size": 5, "shards": 6, "max_epochs": 2}


def train(x=X, y=Y, layers=LAYERS, **options):
    return ml.train(x, y, list(layers), options=ml.TrainingOptions(**{**HOW, **options}))


def rank():
    return find_world(ml.TrainingOptions(shards=64)).rank


def digest(back):
    return hashlib.sha256(repr(known(back)).encode()).hexdigest()


def bits():
    """Every kind of training: metrics of all rows, without batch normalisation, more epochs."""
    found = []
    for backend in ("numpy", "numba"):
        ml.set_backend(backend)
        found += [digest(train()), digest(train(metrics=["fscore"], gradient_threshold=0.01))]
        plain = [layer for layer in LAYERS if not isinstance(layer, ml.BatchNormalization)]
        found.append(digest(train(layers=plain, metrics=[], validation_patience=1, shards=8)))
    return found


def other_data():
    return digest(train([x + rank() for x in X]))


def other_options():
    return digest(train(momentum=0.9 - rank() / 10, solver="sgdm"))


def bad_input():
    return digest(train(Y))


def one_fails():
    if rank() == 1:
        raise OSError("no such recording")
    return digest(train())


def one_fails_within():
    def metric(rows, targets):
        if rank() == 1 and len(calls) == 3:
            raise TypeError("a metric of rank 1")
        calls.append(1)
        return 0.0

    calls = []
    return digest(train(metrics=[metric]))


def one_stops():
    return train(output_fcn=lambda told: told.iteration == 2)[1].stop_reason


def signal_to_one():
    """SIGINT on one rank stops all after the same step."""

    def metric(rows, targets):
        if rank() == 1:
            calls.append(1)
            if len(calls) == 4:
                os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    calls = []
    return train(metrics=[metric], validation_data=None)[1].stop_reason


def saved():
    folder = Path(sys.argv[2])
    if any(folder.glob("checkpoint-*")):
        return digest(ml.resume(folder, X, Y, validation_data=HELD))
    slow = [lambda told: time.sleep(0.02)]
    return digest(
        train(
            checkpoint_path=folder,
            checkpoint_frequency=1,
            max_epochs=6,
            checkpoint_frequency_unit="iteration",
            output_fcn=slow,
        )
    )


CASES = {
    case.__name__: case
    for case in (
        bits,
        other_data,
        other_options,
        bad_input,
        one_fails,
        one_fails_within,
        one_stops,
        signal_to_one,
        saved,
    )
}

if __name__ == "__main__":
    ml.set_backend("numpy")
    result = CASES[sys.argv[1]]()
    world = find_world(ml.TrainingOptions(shards=64))
    every = world.gather((result, ml.get_num_threads()))
    if world.rank == 0:
        same = all(one[0] == every[0][0] for one in every)
        print(json.dumps({"result": result, "same": same, "threads": [n for _, n in every]}))
