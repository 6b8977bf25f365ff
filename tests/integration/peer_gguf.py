#!/usr/bin/env python3
"""Compare our GGUF and safetensors with the packages `gguf` and `safetensors`.

    tests/integration/peer_gguf.py [BUILD_FOLDER]

- a file that our writer made, with every key type and every tensor type the peer knows: the peer reads it, and each key
  and each byte of data is what our reader says it is;
- every reference model: what our reader says is what the peer says.

The packages go to build/venv. Exit codes: 0 equal, 1 different, 77 skipped (no build, or the packages cannot be had).
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import venv

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, "build/venv")
PACKAGES = ["gguf==0.19.0", "safetensors==0.8.0", "numpy"]
GOLDEN = os.environ.get("SHOAL_GOLDEN_DIR", os.path.join(ROOT, "../shared/data"))


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def in_venv():
    """Run again inside build/venv when the packages are not here."""
    try:
        import gguf  # noqa: F401
        import safetensors  # noqa: F401
        return
    except ImportError:
        pass
    python = os.path.join(VENV, "bin/python")
    if os.environ.get("SHOAL_PEER_VENV"):
        skip("the packages gguf and safetensors cannot be imported")
    if not os.path.exists(python):
        try:
            venv.create(VENV, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as e:
            skip("no virtual environment: %s" % e)
    pip = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if pip.returncode:
        skip("pip could not install %s" % " ".join(PACKAGES))
    os.environ["SHOAL_PEER_VENV"] = "1"
    os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])


def find_programs():
    folders = sys.argv[1:2] or [os.path.join(ROOT, "build", p) for p in ("release", "debug", "asan", "clang")]
    for folder in folders:
        programs = [os.path.join(folder, p) for p in ("test_gguf_writer", "test_formats_golden")]
        if all(os.path.exists(p) for p in programs):
            return programs
    skip("test_gguf_writer and test_formats_golden are not built in " + " ".join(folders))


def sha(data):
    return hashlib.sha256(data).hexdigest()


def ours(program, path):
    out = subprocess.run([program, "--dump", path], capture_output=True, text=True)
    if out.returncode:
        return None, out.stderr.strip()
    return sorted(out.stdout.splitlines()), None


def number(kind, v):
    """A scalar as --dump prints it; kinds are GGUF's."""
    if kind in (6, 12):
        return "%.17g" % v
    if kind == 7:
        return "%d" % v
    return "%016x" % (int(v) & (1 << 64) - 1)


def gguf_lines(path):
    import gguf
    reader = gguf.GGUFReader(path)
    lines = []
    for name, field in reader.fields.items():
        if name.startswith("GGUF."):
            continue
        kind = int(field.types[0])
        if kind == 8:
            text = sha(field.parts[-1].tobytes())
        elif kind == 9:
            # The element type stands in the file even when there is no element for the peer to take it from.
            inner = int(field.parts[3][0])
            parts = [field.parts[i].tobytes() for i in field.data]
            blob = b"".join(struct.pack("<Q", len(p)) + p for p in parts) if inner == 8 else b"".join(parts)
            text = "%d %d %s" % (inner, len(parts), sha(blob))
        else:
            text = number(kind, field.parts[-1][0])
        lines.append("key\t%s\t%d\t%s" % (name, kind, text))
    for t in reader.tensors:
        dims = ",".join(str(int(d)) for d in t.shape)
        data = bytes(memoryview(t.data.tobytes())) if t.n_bytes else b""
        assert len(data) == t.n_bytes
        if t.tensor_type.name == "Q8_1":
            # The peer's table says 40 bytes a block; the block is 36: two halves and 32 int8.
            data = data[:len(data) // 40 * 36]
        lines.append("tensor\t%s\t%s\t%s\t%d\t%s" % (t.name, t.tensor_type.name.lower(), dims, t.data_offset, sha(data)))
    return sorted(lines)


def safetensors_lines(path):
    import safetensors
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    lines = ["key\t%s\t8\t%s" % (k, sha(v.encode())) for k, v in head.get("__metadata__", {}).items()]
    for name, t in safetensors.deserialize(data):
        dims = ",".join(str(d) for d in reversed(t["shape"]))
        off = 8 + n + head[name]["data_offsets"][0]
        lines.append("tensor\t%s\t%s\t%s\t%d\t%s" % (name, t["dtype"], dims, off, sha(bytes(t["data"]))))
    return sorted(lines)


def compare(dump, path, peer):
    lines, message = ours(dump, path)
    if lines is None:
        print("%s: we refuse what the peer reads: %s" % (path, message))
        return False
    want = peer(path)
    if lines == want:
        return True
    for line in sorted(set(lines) ^ set(want))[:10]:
        print("%s: only %s: %s" % (path, "ours" if line in lines else "the peer", line))
    return False


def reference_files(ending):
    for folder, _, names in sorted(os.walk(GOLDEN)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(ending) and not name.startswith("bad_") and "/hostile/" not in path:
                yield path


def main():
    in_venv()
    import gguf
    writer, dump = find_programs()
    n_bad = n = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "written.gguf")
        last = max(int(t) for t in gguf.GGMLQuantizationType)
        subprocess.run([writer, "--write", path, str(last)], check=True)
        n_bad += not compare(dump, path, gguf_lines)
        n += 1
    for ending, peer in ((".gguf", gguf_lines), (".safetensors", safetensors_lines)):
        for path in reference_files(ending):
            n_bad += not compare(dump, path, peer)
            n += 1
    print("%d files, %d differ" % (n, n_bad))
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
