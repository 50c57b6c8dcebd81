"""A copy of the project in which code may be changed, and runs of pytest in it.
A run is a fork of a process that has loaded the large packages already, so it starts at once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from mutation.coverage import FOLDER, Mapper, digest, test_files

ROOT = Path(__file__).parents[2]
QUIET = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--ignore=minilstm/kernels"]
QUIET += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what `preload` has loaded


def make_copy(place):
    """Copy every file that git knows or would know, and what kernels were compiled to."""
    place = Path(place)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    known = {path for path in listed if (ROOT / path).is_file()}
    compiled = {str(path.relative_to(ROOT)) for path in ROOT.glob("kernels/**/*.nb[ic]")}
    for top in ("minilstm", "kernels", "tests"):
        for old in sorted(place.glob(f"{top}/**/*.py")):
            if str(old.relative_to(place)) not in known and "minilstm/kernels" not in str(old):
                old.unlink()
    for path in known | compiled:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, place / path)
    if not (place / "minilstm" / "kernels").exists():
        os.symlink("../kernels", place / "minilstm" / "kernels")
    (place / "sitecustomize.py").write_text(
        f"import os\nif {FOLDER!r} in os.environ:\n"
        "    from tests.mutation.coverage import start_in_subprocess\n    start_in_subprocess()\n"
    )
    return place


def preload():
    """Compile all kernels, and load in this process what every run needs."""
    warm = [sys.executable, "-m", "minilstm", "warmup", "--dtype", "both"]
    subprocess.run(warm, cwd=ROOT, capture_output=True, check=True)
    for package in ("numpy", "numba", "scipy.io", "hypothesis", "pytest", "safetensors", "tqdm"):
        __import__(package)


def fork(place, do, log):
    """Run a function in a child process whose package is the copy; gives the child's id.

    Parameters
    ----------
    place : the copy
    do : called without arguments; its result is the exit code
    log : the file that takes what the child prints
    """
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
        with open(log, "w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        os.chdir(place)
        os.environ["PYTHONPATH"] = str(place)
        own = ("", str(ROOT), str(ROOT / "tests"))
        sys.path[:] = [str(place), *(path for path in sys.path if path not in own)]
        code = int(do())
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def run_all(jobs, slots):
    """Run jobs, each in a free slot; yields (job, exit code, seconds) as they end.

    Parameters
    ----------
    jobs : things with `start(slot)`, which gives a process id, `end(slot)`, and `limit` in seconds
    slots : what jobs may not share, such as copies; as many jobs run at once as there are

    A job that runs past its limit is killed with all that it started; its code is "time".
    """
    waiting, free, running = list(jobs)[::-1], list(slots), {}
    try:
        while waiting or running:
            while waiting and free:
                job, slot = waiting.pop(), free.pop()
                running[job.start(slot)] = job, slot, time.monotonic()
            time.sleep(0.05)
            for child, (job, slot, begun) in list(running.items()):
                done, status = os.waitpid(child, os.WNOHANG)
                seconds, code = time.monotonic() - begun, "time"
                if not done and seconds < job.limit:
                    continue
                with suppress(ProcessLookupError):  # all of it, or what it left behind
                    os.killpg(child, signal.SIGKILL)
                if done:
                    code = os.waitstatus_to_exitcode(status)
                else:
                    os.waitpid(child, 0)
                del running[child]
                job.end(slot)
                free.append(slot)
                yield job, code, seconds
    finally:
        for child in running:
            os.killpg(child, signal.SIGKILL)


class MapJob:
    """One test file, run once to see what its tests enter."""

    limit = 3600

    def __init__(self, path, folder):
        self.path, self.out = path, Path(folder) / (path.replace("/", "+") + ".json")

    def start(self, place):
        return fork(place, lambda: self._run(place), self.out.with_suffix(".log"))

    def end(self, place):
        shutil.rmtree(Path(place, "traces"), ignore_errors=True)

    def is_done(self):
        """Whether today's tests of the file are mapped already."""
        if not self.out.exists():
            return False
        return json.loads(self.out.read_text())["digest"] == digest(ROOT / self.path)

    def _run(self, place):
        import pytest

        folder = Path(place, "traces", str(os.getpid()))
        folder.mkdir(parents=True)
        mapper = Mapper(os.path.realpath(place), folder)
        pytest.main([*QUIET, "-m", "not alone and not gpu", self.path], plugins=[mapper])
        sys.settrace(None)
        found = {"digest": digest(self.path), "failed": mapper.failed, "tests": mapper.entered}
        self.out.write_text(json.dumps(found))
        return 0


def build_map(places, folder):
    """Map the test files that are new or changed: test file -> test -> (seconds, functions)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = {path: MapJob(path, folder) for path in test_files(ROOT)}
    for job, code, seconds in run_all([j for j in jobs.values() if not j.is_done()], places):
        if code:
            raise RuntimeError(f"{job.path} was not mapped; see {job.out.with_suffix('.log')}")
        print(f"{seconds:4.0f} s mapped {job.path}", flush=True)
    found = {path: json.loads(job.out.read_text()) for path, job in jobs.items()}
    for one in found.values():
        for test in one["failed"]:
            print(f"left out, as it fails or skips without a change: {test}", flush=True)
    return {path: one["tests"] for path, one in found.items()}
