"""polars' own way from a CSV to Parquet, measured: prints {"seconds": ..., "peak_mib": ...}."""
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
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak}))
