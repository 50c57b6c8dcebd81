"""A network reads Alice in Wonderland letter by letter, and writes on.
One of its units keeps whether a quotation is open: the picture shows its cell through the text.

The text: Lewis Carroll, Alice's Adventures in Wonderland, 1865, public domain; Project Gutenberg's
Millennium Fulcrum Edition 2.9.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import minilstm as ml

TEXT = Path(__file__).parent / "texts" / "alice.txt"
LANES = 32  # pieces of the text that are read side by side
HELD_OUT = 10_000  # letters at the end


def one_hot(text: str, letters: str) -> np.ndarray:
    """The text as rows with a single 1; FullyConnected on them would be an embedding."""
    place = {letter: n for n, letter in enumerate(letters)}
    return np.eye(len(letters), dtype=np.float32)[[place[letter] for letter in text]]  # (T, D)


def train_on(text: str, letters: str, hidden: int, max_epochs: int) -> ml.Network:
    """Predict each next letter; states go from piece to piece, gradients reach 64 letters back."""
    length = (len(text) - 1) // LANES
    starts = [lane * length for lane in range(LANES)]
    x = [one_hot(text[s : s + length], letters) for s in starts]  # LANES of (T, D)
    y = [np.array([*text[s + 1 : s + length + 1]]) for s in starts]  # LANES of (T,)
    layers = [
        ml.SequenceInput(len(letters)),
        ml.LSTM(hidden),
        ml.FullyConnected(len(letters)),
        ml.Softmax(),
    ]
    options = ml.TrainingOptions(
        "adam", max_epochs=max_epochs, mini_batch_size=LANES, sequence_length=64,
        initial_learn_rate=0.004, learn_rate_schedule="piecewise", learn_rate_drop_factor=0.5,
        learn_rate_drop_period=max(1, max_epochs // 3), gradient_threshold=1, verbose=False,
    )  # fmt: skip
    return ml.train(x, y, layers, options=options)[0]


def write_on(
    net: ml.Network, start: str, count: int, temperature: float, rng: np.random.Generator
) -> str:
    """Letters drawn one at a time from the scores; a low temperature keeps to the likeliest."""
    letters = "".join(net.classes)
    rows, text = one_hot(letters, letters), start
    stream = net.stream()
    for letter in start:
        scores = stream.step(rows[letters.index(letter)])  # (C,)
    for _ in range(count):
        weights = scores.astype(np.float64) ** (1 / temperature)  # (C,)
        letter = str(rng.choice([*letters], p=weights / weights.sum()))
        scores, text = stream.step(rows[letters.index(letter)]), text + letter
    return text


def within_quotes(text: str) -> np.ndarray:
    """(T,) 1 where a quotation is open after the letter, else 0; one ends with its paragraph."""
    opened, found = 0, []
    for before, letter, after in zip(" " + text, text, text[1:] + " ", strict=False):
        ends = letter == "'" and not after.isalpha()
        if letter == "`":
            opened = 1
        elif ends or (letter == before == "\n"):
            opened = 0
        found.append(opened)
    return np.array(found, dtype=float)


def since_line_break(text: str) -> np.ndarray:
    """(T,) letters since the line began."""
    ends = np.array([letter == "\n" for letter in text])  # (T,)
    at = np.arange(len(text))
    return at - np.maximum.accumulate(np.where(ends, at, 0))


def follower(cells: np.ndarray, what: np.ndarray) -> tuple[int, float]:
    """The unit whose cell goes with a signal most closely, and how closely."""
    c, w = cells - cells.mean(axis=0), what - what.mean()  # (T, H), (T,)
    spread = np.linalg.norm(c, axis=0) * np.linalg.norm(w)  # (H,)
    alike = w @ c / np.where(spread == 0, 1, spread)  # (H,) correlations
    unit = int(np.abs(alike).argmax())
    return unit, float(alike[unit])


def main(
    hidden: int = 192, max_epochs: int = 40, letters_read: int | None = None, out: str = "text.png"
) -> dict[str, float]:
    """Train, write, and find the units that follow quotes and lines; draw the first."""
    whole = TEXT.read_text("ascii")
    text, held = whole[:-HELD_OUT][:letters_read], whole[-HELD_OUT:]
    text = text[: (len(text) - 1) // LANES * LANES + 1]
    letters = "".join(sorted(set(text)))
    held = "".join(letter for letter in held if letter in letters)
    net = train_on(text, letters, hidden, max_epochs)

    scores = net.predict(one_hot(held[:-1], letters))  # (T, C)
    truth = scores[np.arange(len(scores)), [letters.index(letter) for letter in held[1:]]]
    bits = float(-np.log2(truth).mean())
    print(f"{bits:.2f} bits a letter on {HELD_OUT:,} letters that it never read")
    rng = np.random.default_rng(0)
    for temperature in (0.3, 0.6, 1.0):
        print(f"\ntemperature {temperature}:\n{write_on(net, 'Alice ', 240, temperature, rng)}")

    cells = net.gates(one_hot(held, letters), "lstm").c  # (T, H)
    found = {"bits": bits}
    for name, what in (("quotes", within_quotes(held)), ("lines", since_line_break(held))):
        unit, found[name] = follower(cells, what)
        print(f"unit {unit} follows {name}: correlation {found[name]:.2f}")
        if name == "quotes":
            title = f"Unit {unit} follows {name}: its cell, letter by letter"
            ax = ml.plots.plot_text(held[1000:2200], cells[1000:2200, unit], title=title)
            ml.plots.save_figure(ax, out)
    return found


if __name__ == "__main__":
    main()
