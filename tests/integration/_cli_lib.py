"""What the tests of the command line share: the program, the models, running a command, counting results.

The program is $SHOAL_BIN, else build/release/shoal. Reference data is found in $SHOAL_GOLDEN_DIR, else ../shared/data.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHOAL = os.path.abspath(os.environ.get("SHOAL_BIN", os.path.join(ROOT, "build/release/shoal")))
DATA = os.environ.get("SHOAL_GOLDEN_DIR", os.path.join(ROOT, "../shared/data"))
HOME = tempfile.TemporaryDirectory(prefix="shoal-cli-")


def find_minnow():
    """The bundled model, or the folder it was made from; None when neither is here."""
    for path in (os.path.join(ROOT, "models/minnow.gguf"), os.path.join(DATA, "models/minnow")):
        if os.path.exists(path):
            return path
    return None


def environment(**more):
    """A clean environment: no setting of the caller's shell reaches the program; SHOAL_HOME is an empty folder."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("SHOAL_") and k not in ("NO_COLOR", "LC_ALL")}
    env.update(SHOAL_HOME=os.path.join(HOME.name, "home"), TERM="xterm")
    env.update(more)
    return env


class Result:
    def __init__(self, done):
        self.code, self.out_bytes, self.err_bytes = done.returncode, done.stdout, done.stderr
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    def __repr__(self):
        return f"exit {self.code}, stdout {self.out[:300]!r}, stderr {self.err[:300]!r}"


def shoal(*args, stdin=b"", env=None, timeout=120, cwd=None):
    done = subprocess.run([SHOAL, *args], input=stdin, capture_output=True, timeout=timeout, cwd=cwd,
                          env=environment(**(env or {})), check=False)
    return Result(done)


class Tally:
    """Prints one line for each check; a check that is not met does not end the test."""

    def __init__(self):
        self.n_ok = self.n_failed = self.n_skipped = 0

    def check(self, name, good, detail=""):
        if good:
            self.n_ok += 1
            print(f"ok   {name}")
        else:
            self.n_failed += 1
            print(f"FAIL {name}: {detail}")
        return bool(good)

    def skip(self, name, why):
        self.n_skipped += 1
        print(f"skip {name}: {why}")

    def finish(self):
        print(f"{self.n_ok} ok, {self.n_failed} failed, {self.n_skipped} skipped")
        HOME.cleanup()
        sys.exit(1 if self.n_failed else 0)


def need(path, what):
    if not path or not os.path.exists(path):
        print(f"skip all: {what} is not here")
        sys.exit(77)
