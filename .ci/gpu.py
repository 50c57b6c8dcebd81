"""Everything that only a GPU can say, in at most ten minutes and one file: `make gpu`.
Each part has a time of its own; one that fails or exceeds it is noted, and the next one begins."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from minilstm import DeviceError
from minilstm.backend import load_backend

REPORT = Path("gpu-report.txt")
ENDING_SECONDS = 5  # for a part that is asked to end, before it is killed
MINILSTM = sys.executable, "-m", "minilstm"
AGAINST = "torch" if importlib.util.find_spec("torch") else ""
# Sizes for which no time is left are left out of the table.
CROSSOVER = """
import sys
from minilstm.bench import crossover
from minilstm.command_line.cli import main
crossover.ALL_SECONDS = 120.0
sys.exit(main(["bench", "--backend", "cupy", "--crossover"]))
"""

# What is done, the seconds it may take, and the command.
PARTS = [
    ("what is here", 20, (*MINILSTM, "info")),
    ("gradient proof", 60, (*MINILSTM, "gradcheck", "--backend", "cupy")),
    ("tests", 190, (sys.executable, "-m", "pytest", "-q", "-m", "gpu")),
    ("bench", 120, (*MINILSTM, "bench", "--backend", "cupy", "--against", AGAINST)),
    ("crossover", 160, (sys.executable, "-c", CROSSOVER)),
]


def main() -> int:
    """0 where every part ended well, 1 where one did not, 2 where there is nothing to ask."""
    try:
        load_backend("cupy")
    except (ImportError, DeviceError) as error:
        print(f"minilstm: {error}", file=sys.stderr)
        return 2
    ends = []
    with REPORT.open("w", encoding="utf-8") as report:
        for title, seconds, command in PARTS:
            print(f"{title}, at most {seconds} s ...", flush=True)
            print(f"== {title}: {' '.join(command[1:]).strip()}", file=report, flush=True)
            started = time.perf_counter()
            end = _end_of(command, seconds, report)
            ends.append(end)
            line = f"{title}: {end}, {time.perf_counter() - started:.0f} s"
            print(f"== {line}\n", file=report, flush=True)
            print(line, flush=True)
    print(f"written to {REPORT}")
    return int(any(end != "done" for end in ends))


def _end_of(command: tuple[str, ...], seconds: float, report: object) -> str:
    """Run a part, whose words go to the report; how it ended."""
    with subprocess.Popen(
        command, stdout=report, stderr=subprocess.STDOUT, start_new_session=True
    ) as part:
        try:
            code = part.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(part)
            return "stopped at its limit of time"
        except KeyboardInterrupt:
            _end(part)
            raise
    return "done" if code == 0 else f"failed with exit code {code}"


def _end(part: subprocess.Popen[bytes]) -> None:
    """End a part and what it has started: as Ctrl-C would, then for good."""
    for how in (signal.SIGINT, signal.SIGKILL):
        os.killpg(part.pid, how)
        try:
            part.wait(ENDING_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    sys.exit(main())
