#!/usr/bin/env python3
"""llama.cpp reads what we write and goes on with a text as we do: equal greedy text on Minnow from F32 and F16 files. For Q8_0 the
place of the first difference is only told: the two quantise activations in other blocks."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from _server import ROOT, SHOAL, check, finish

PROMPTS = ["Once upon a time there was", "The fox said to the crow,", "In the deep wood"]
COUNT = 64


def install():
    if not shutil.which("node") or not shutil.which("npm"):
        print("skip: node and npm are not installed")
        sys.exit(77)
    peer = os.path.join(ROOT, "build", "peer")
    os.makedirs(peer, exist_ok=True)
    if not os.path.exists(os.path.join(peer, "package.json")):
        with open(os.path.join(peer, "package.json"), "w") as f:
            f.write('{"private":true}')
    if not os.path.isdir(os.path.join(peer, "node_modules", "node-llama-cpp")):
        r = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "node-llama-cpp"], cwd=peer, capture_output=True, timeout=300)
        if r.returncode != 0:
            print("skip: npm cannot install node-llama-cpp here")
            sys.exit(77)
    shutil.copy(os.path.join(ROOT, "tests", "integration", "_llama.mjs"), os.path.join(peer, "llama.mjs"))
    return peer


def theirs(peer, path):
    r = subprocess.run(["node", "llama.mjs", str(COUNT), path, *PROMPTS], cwd=peer, capture_output=True, text=True, timeout=300)
    if r.returncode != 0:
        check(f"llama.cpp opens {os.path.basename(path)}", False, r.stderr)
        return []
    return [json.loads(line) for line in r.stdout.splitlines() if line.startswith("{")]


def ours(path, prompt):
    r = subprocess.run([SHOAL, "run", path, "--raw", "--temperature", "0", "--repeat-penalty", "1", "--ignore-end", "-n", str(COUNT), prompt],
                       capture_output=True, text=True, timeout=120)
    return r.stdout


peer = install()
source = os.path.join(ROOT, "models", "minnow.gguf")
with tempfile.TemporaryDirectory() as folder:
    for kind in ("f32", "f16", "q8_0"):
        path = source
        if kind != "q8_0":
            path = os.path.join(folder, f"minnow-{kind}.gguf")
            subprocess.run([SHOAL, "convert", source, path, "--type", kind, "--allow-requantize", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        for prompt, t in zip(PROMPTS, theirs(peer, path)):
            tokens = json.loads(subprocess.run([SHOAL, "tokenize", path, prompt, "--json"], capture_output=True, text=True).stdout)["ids"]
            check(f"{kind}: equal tokens of {prompt!r}", tokens == t["prompt"], (tokens, t["prompt"]))
            a, b = ours(path, prompt), t["text"]
            if kind != "q8_0":
                check(f"{kind}: equal greedy text after {prompt!r}", a == b, (a, b))
            else:
                same = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
                print(f"note: {kind}: the first {same} of {len(b)} characters are equal after {prompt!r}")
finish()
