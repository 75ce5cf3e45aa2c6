"""polars' own way from a CSV to Parquet, measured: prints {"seconds": ..., "cpu_seconds": ..., "peak_mib": ...}."""
import json
import os
import resource
import sys
import tempfile
import time

import polars as pl

with tempfile.TemporaryDirectory(dir=os.path.dirname(sys.argv[1])) as folder:
    out = os.path.join(folder, "out.parquet")
    started = time.monotonic()
    pl.scan_csv(sys.argv[1]).sink_parquet(out, compression="snappy")
    with open(out, "rb") as file:
        os.fsync(file.fileno())
    seconds = time.monotonic() - started
usage = resource.getrusage(resource.RUSAGE_SELF)
figures = {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}
print(json.dumps(figures))
