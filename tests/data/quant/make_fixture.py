#!/usr/bin/env python3
"""Copy the part of the block-quantisation reference that the unit tests need.

    make_fixture.py REFERENCE_DIR OUT_DIR

REFERENCE_DIR has the files that SOURCE.txt names. The two JSON reports become tables of one line per measurement, so
that a test reads them with fscanf:
    rmse.txt      TYPE MODE ROW RMSE WRMSE      (a row that the reference could not write is left out)
    quality.txt   TYPE MODE SET RMSE WRMSE
"""
import json
import shutil
import sys
from pathlib import Path

EXACT = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "TQ1_0", "TQ2_0", "MXFP4"]
SEARCHED = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


def line(kind, mode, where, m):
    return f"{kind.lower()} {mode} {where} {m['rmse']!r} {m['wrmse']!r}\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in ("dequant", "inputs"):
        shutil.copytree(source / folder, out / folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    (out / "quantised").mkdir(exist_ok=True)
    for name in [f"{t}.plain.ggml.u8" for t in EXACT] + ["F16.float_edges.u8", "BF16.float_edges.u8"]:
        shutil.copyfile(source / "quantised" / name, out / "quantised" / name)

    written = EXACT + SEARCHED
    report = json.loads((source / "rmse.json").read_text())
    with open(out / "rmse.txt", "w") as f:
        for kind in written:
            for mode, rows in report[kind].items():
                for row, m in rows.items():
                    if m["rmse"] is not None:
                        f.write(line(kind, mode, row, m))
    report = json.loads((source / "quality.json").read_text())
    with open(out / "quality.txt", "w") as f:
        for name, data in report["sets"].items():
            for kind in ["F16", "BF16"] + written:
                for mode, m in data["types"][kind].items():
                    f.write(line(kind, mode, name, m))


if __name__ == "__main__":
    main()
