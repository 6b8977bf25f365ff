"""pip(NAMES...): sys.path gets build/venv with these packages; exit code 77 when they cannot be had here."""
import glob
import os
import subprocess
import sys

from _server import ROOT


def pip(*names):
    venv = os.path.join(ROOT, "build", "venv")
    python = os.path.join(venv, "bin", "python")
    try:
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True, timeout=120)
        have = subprocess.run([python, "-m", "pip", "show", "-q", *names], capture_output=True, timeout=120)
        if have.returncode != 0:
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *names], check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as e:
        print(f"skip: {', '.join(names)} cannot be installed here ({type(e).__name__})")
        sys.exit(77)
    sys.path[:0] = glob.glob(os.path.join(venv, "lib", "python3*", "site-packages"))
    return venv
