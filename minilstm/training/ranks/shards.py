"""The shards of a mini-batch: fixed parts of it, whose gradients are summed in one fixed tree.
Which rank computes a shard, and which sums a slice of the parameters, changes no bit.

Axes: B sequences of a mini-batch, S shards, P numbers of all parameters, n ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.stored import lengths_of
from minilstm.functional.ragged import IntArray
from minilstm.layers import BatchNormalization
from minilstm.network.evaluation import counted_rows, predicted
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head
from minilstm.network.passes.training_pass import LossAndGradients
from minilstm.training.batches import Piece, TrainingData, pieces
from minilstm.training.ranks.rounds import in_rounds
from minilstm.training.ranks.world import World

Array = NDArray[Any]
_NEXT_KEY = 0x5851F42D4C957F2D  # between the random bits of two shards


def summed(parts: Sequence[Any]) -> Any:
    """The sum of some parts, pair by pair, then of the pairs: the same for the same parts.

    Examples
    --------
    >>> summed([1.0, 2.0, 3.0, 4.0, 5.0])
    15.0
    """
    parts = list(parts)
    while len(parts) > 1:
        parts = [sum(parts[k + 1 : k + 2], parts[k]) for k in range(0, len(parts), 2)]
    return parts[0]


class Shards:
    """The shards of every mini-batch of a training, of which this rank computes some."""

    def __init__(
        self, count: int, world: World, net: Network, heads: Sequence[Head], data: TrainingData
    ) -> None:
        whole = next((h.loss.name for h in heads if h.loss.whole), "")
        if whole:
            raise ValueError(
                f"shards is {count}, but the loss {whole!r} needs a whole mini-batch at once; "
                "give one of minilstm.losses by its name, or leave shards out."
            )
        self.count, self.world = count, world
        self.meets = any(isinstance(layer, BatchNormalization) for layer in net.layers)
        self.mine = world.of(count)
        self.first = tuple(t[0] for t in data.targets)  # of their kind
        self.lengths = lengths_of(data.sequences[0])
        self.answers = [np.array([*map(counted_rows, t)], np.int64) for t in data.targets]

    def cut(self, chosen: IntArray) -> list[IntArray]:
        """The sequences of each shard: dealt out there and back again, the longest first."""
        S = self.count
        ordered = chosen[np.argsort(-self.lengths[chosen], kind="stable")]  # (B,)
        place = np.arange(len(chosen)) % (2 * S)
        shard = np.minimum(place, 2 * S - 1 - place)  # (B,)
        return [ordered[shard == s] for s in range(S)]

    def pieces(
        self, data: TrainingData, heads: Sequence[Head], chosen: IntArray, *how: Any
    ) -> Iterator[Piece]:
        """The chosen sequences as one mini-batch, of which only the shards of this rank are read.

        It is as `minilstm.training.batches.pieces` has it; its `batch` is a dict of mini-batches by
        shard, and its `targets` one of theirs.
        """
        counts = tuple(int(of_rows[chosen].sum()) for of_rows in self.answers)
        divisors = tuple(h.loss.divisor(n, h.columns) for h, n in zip(heads, counts, strict=True))
        cut = self.cut(chosen)
        parts = {s: next(pieces(data, heads, cut[s], *how)) for s in self.mine if len(cut[s])}
        batches = {s: part.batch._replace(divisors=divisors) for s, part in parts.items()}
        targets: Any = {s: part.targets for s, part in parts.items()}
        yield Piece(batches, False, targets, counts)  # type: ignore[arg-type]

    def loss_and_gradients(
        self, net: Network, piece: Piece, backend: Any, key: int, want_outputs: bool, **how: Any
    ) -> tuple[LossAndGradients, Piece]:
        """Those of the whole mini-batch, on every rank; and the piece with all its targets."""
        batches: Any = piece.batch
        how |= {"backend": backend, "want_outputs": want_outputs}

        def work(s: int, across: Any = None) -> LossAndGradients:
            own = (key + s * _NEXT_KEY) % 2**63
            return net.loss_and_gradients(batches[s], key=own, across=across, **how)

        if self.meets:
            found = in_rounds(self.world, {s: partial(work, s) for s in batches})
        else:
            found = {s: work(s) for s in batches}
        like = net.parameters
        flat = np.zeros((len(self.mine), sum(p.size for p in like.values())), net.dtype)
        for row, s in zip(flat, self.mine, strict=True):
            if s in found:
                every = (backend.to_host(found[s].gradients[k]).ravel("F") for k in like)
                np.concatenate([*every], out=row)
        told = {
            s: (r.loss, r.correct, r.outputs and [*map(backend.to_host, r.outputs)],
                piece.targets[s] if want_outputs else None,  # type: ignore[call-overload]
                r.statistics)
            for s, r in found.items()
        }  # fmt: skip
        total = self._total(flat)  # (P,)
        every_shard: dict[int, Any] = {}
        for part in self.world.gather(told):
            every_shard |= part
        told = {s: every_shard[s] for s in sorted(every_shard)}
        gradients, at = {}, 0
        for name, p in like.items():
            g = total[at : at + p.size].reshape(p.shape, order="F")
            gradients[name], at = backend.to_device(g), at + p.size
        losses, correct, outputs, targets, (statistics, *_) = zip(*told.values(), strict=True)

        def joined(parts: Any) -> Any:
            return tuple(np.concatenate(of_head) for of_head in zip(*parts, strict=True))

        piece = piece._replace(targets=joined(targets) if want_outputs else self.first)
        result = LossAndGradients(
            summed(losses),
            tuple(sum(of_head) for of_head in zip(*correct, strict=True)),
            gradients,
            {},
            statistics,
            joined(outputs) if want_outputs else None,
        )
        return result, piece

    def _total(self, mine: Array) -> Array:
        """The sum (P,) over the shards of all ranks; `mine` (S/n, P) are those of this rank.

        Each rank sums a slice of the parameters: it gets that of every shard, and all get the sum.
        """
        world, S, P = self.world, self.count, mine.shape[1]
        if world.comm is None:
            return np.asarray(summed([*mine]))
        ends = [P * r // world.size for r in range(world.size + 1)]
        widths = np.diff(ends)
        width = int(widths[world.rank])
        slices = [mine[:, a:b].ravel() for a, b in pairwise(ends)]
        heights = [len(world.of(S, r)) for r in range(world.size)]
        got = np.empty((S, width), mine.dtype)
        world.comm.Alltoallv(
            [np.concatenate(slices), widths * len(mine)], [got, [h * width for h in heights]]
        )
        starts = np.cumsum(heights) - heights
        part = summed([got[starts[s % world.size] + s // world.size] for s in range(S)])
        total = np.empty(P, mine.dtype)
        world.comm.Allgatherv(np.ascontiguousarray(part), [total, widths])
        return total

    def predict(self, net: Network, sequences: Sequence[Any]) -> list[list[Array]]:
        """What a network puts out for each sequence, by output: each shard of them on one rank."""
        B, S = len(sequences[0]), min(self.count, len(sequences[0]))

        def work(s: int) -> Any:
            part = slice(s * B // S, (s + 1) * B // S)
            return [list(out) for out in predicted(net, [x[part] for x in sequences])]

        parts = self.world.shared(work, S)
        return [
            [one for part in of_output for one in part] for of_output in zip(*parts, strict=True)
        ]
