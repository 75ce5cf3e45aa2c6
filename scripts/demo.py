"""Drops the bundled data set into the inbox, waits for a model that learned from it, and shows what it can do.

Run by `make demo`, with the services up. Needs nothing but Python's standard library.
"""

import gzip
import hashlib
import http.client
import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data" / "diamonds.csv.gz"
INBOX = ROOT / "inbox"
LIMIT_SECONDS = 120
POLL_SECONDS = 0.02
LOOK_AROUND_SECONDS = 0.25
DIAMOND = {"carat": 1.1, "cut": "Ideal", "color": "H", "clarity": "SI2",
           "depth": 62.0, "table": 55.0, "x": 6.61, "y": 6.65, "z": 4.11}


class Failure(Exception):
    """What the user is told when the demo cannot go on."""


class Api:
    """The REST API over one connection that is kept open, and opened anew when it breaks."""

    def __init__(self, address):
        self.address = address
        self.connection = None

    def call(self, method, path, body=None):
        """Returns (status, JSON); status 0 when nobody answers."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.address, timeout=10)
            payload = None if body is None else json.dumps(body)
            self.connection.request(method, path, payload, {"content-type": "application/json"} if payload else {})
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection = None
            return 0, {}
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, {}

    def get(self, path):
        """Returns the JSON of a successful answer, else None."""
        status, content = self.call("GET", path)
        return content if status == 200 else None

    def predict(self):
        return self.call("POST", "/v1/predictions", DIAMOND)


def main():
    api = Api(settings(ROOT / ".local" / "services.env")["LAPIDARY__API__LISTEN"])
    content = gzip.decompress(DATA.read_bytes())
    sha256 = hashlib.sha256(content).hexdigest()
    before = api.get("/v1/models/champion")
    known = api.get(f"/v1/files/{sha256}")
    if known and known.get("status") == "accepted" and before:
        say(f"The bundled data was accepted before (dataset version {known.get('dataset_version')}); its content takes effect once.")
        seconds = None
    else:
        renamed = drop(content)
        seconds = wait_for_new_model(api, sha256, before, renamed)
    show(api, seconds)


def drop(content):
    """Writes under a name that the ingest service leaves alone, then renames. Returns the time of the rename."""
    INBOX.mkdir(exist_ok=True)
    part = INBOX / ".diamonds.csv.part"
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    say(f"Dropping {content.count(10) - 1:,} samples: inbox/diamonds.csv")
    renamed = time.perf_counter()
    part.rename(INBOX / "diamonds.csv")
    return renamed


def wait_for_new_model(api, sha256, before, renamed):
    """Polls for a prediction by a model that was not there before. Returns the seconds since the rename, or None
    when the gate kept the champion."""
    old = before["version"] if before else None
    progress = Progress(renamed)
    next_look = renamed
    while time.perf_counter() - renamed < LIMIT_SECONDS:
        status, answer = api.predict()
        now = time.perf_counter()
        if status == 200 and answer["model"]["version"] != old:
            model = answer["model"]
            progress.say("model", f"model {model['version']} ({model['kind']}) answers")
            return now - renamed
        if now >= next_look:
            if look_around(api, sha256, old, progress):
                return None
            next_look = now + LOOK_AROUND_SECONDS
        time.sleep(POLL_SECONDS)
    raise Failure(
        f"no new model answered within {LIMIT_SECONDS} s of the drop.\n"
        "  make logs     says what the services are doing\n"
        "  make status   says whether they run\n"
        "  inbox/rejected/*.report.json  says why a file was not taken"
    )


class Progress:
    """Says each thing when it changes, with the seconds since the drop."""

    def __init__(self, start):
        self.start = start
        self.said = {}

    def say(self, subject, text):
        if self.said.get(subject) != text:
            self.said[subject] = text
            say(f"  {time.perf_counter() - self.start:5.1f} s  {text}")


def look_around(api, sha256, old, progress):
    """Reports on the file and its runs. Returns whether it is over and the old champion stays."""
    file = api.get(f"/v1/files/{sha256}")
    if not file:
        progress.say("file", "waiting for the ingest service to take the file")
        return False
    progress.say("file", describe_file(file))
    if file["status"] in ("rejected", "held"):
        raise Failure(f"the file was {file['status']}: see inbox/rejected/*.report.json and make logs")
    runs = runs_of(api, file.get("dataset_version"))
    for run in runs:
        progress.say(f"run {run['id']}", describe_run(run))
    if runs and all(run["status"] == "failed" for run in runs):
        raise Failure(f"training failed: {runs[0].get('error')}\n  make logs     says more")
    judged = [run for run in runs if run["status"] == "succeeded" and run.get("model_version")]
    return old is not None and bool(judged) and all(kept_out(api, run, progress) for run in judged)


def describe_file(file):
    text = f"file {file['status']}"
    if file.get("rows_read") and file["status"] == "accepted":
        text += f": {file['rows_read']:,} rows read, {file.get('rows_rejected', 0):,} rejected, dataset version {file.get('dataset_version')}"
    return text


def describe_run(run):
    text = f"training {run['kind']} on dataset version {run['dataset_version']}: {run['status']}"
    done = run.get("progress") or {}
    if run["status"] == "running" and done.get("total"):
        text += f", {done.get('done', 0)} of {done['total']}"
    return text


def runs_of(api, dataset_version):
    runs = (api.get("/v1/runs") or {}).get("items", [])
    return [run for run in runs if dataset_version is not None and run["dataset_version"] == dataset_version]


def kept_out(api, run, progress):
    """Whether the gate judged this run's model and kept the champion."""
    model = api.get(f"/v1/models/{run['model_version']}") or {}
    verdict = model.get("verdict")
    if not verdict or verdict["promoted"]:
        return False
    progress.say("gate", f"model {run['model_version']} was not promoted: {verdict['reason']}")
    return True


def show(api, seconds):
    """Prints one price, two similar samples, the champion's quality and the addresses."""
    status, priced = api.predict()
    if status != 200:
        raise Failure(f"the API answered {status}: {priced.get('detail', 'no reason given')}. make logs says more")
    base = f"http://{api.address}"
    show_price(priced, base)
    show_similar(api, base)
    show_champion(api)
    if seconds is not None:
        say(f"\nFrom the file's rename to the first answer by the new model: {seconds:.2f} s")
    show_addresses(base)


def show_price(priced, base):
    model = priced["model"]
    price_range = priced.get("range")
    text = f"\nA diamond of {DIAMOND['carat']} carat, cut {DIAMOND['cut']}, color {DIAMOND['color']}, clarity {DIAMOND['clarity']} is worth {dollars(priced['price'])}"
    if price_range:
        text += f" ({dollars(price_range['low'])} to {dollars(price_range['high'])} in {price_range['coverage']:.0%} of cases)"
    say(f"{text},\nsays model {model['version']} ({model['kind']}), learned from dataset version {model['dataset_version']}. Ask it yourself:\n")
    say(f"  curl -s {base}/v1/predictions -H 'content-type: application/json' \\\n    -d '{json.dumps(DIAMOND)}'")


def show_similar(api, base):
    path = "/v1/diamonds/similar?" + urlencode({**{k: DIAMOND[k] for k in ("carat", "cut", "color", "clarity")}, "n": 2})
    similar = api.get(path)
    if similar is None:
        raise Failure(f"GET {path} did not answer. make logs says more")
    say(f"\nTwo of {similar['matching']:,} samples with the same grades, nearest in carat:\n")
    for sample in similar["samples"]:
        say("  {carat:.2f} carat, {cut}, {color}, {clarity}, {x} x {y} x {z} mm: ".format(**sample) + dollars(sample["price"]))
    say(f"\n  curl -s '{base}{path}'")


def show_champion(api):
    champion = api.get("/v1/models/champion")
    if champion is None:
        raise Failure("GET /v1/models/champion did not answer. make logs says more")
    holdout = champion["metrics"]["holdout"]
    say(f"\nOn the {holdout['n']:,} holdout samples, which no model trains on, it is off by {dollars(holdout['mae'])} on average (R² {holdout['r2']:.4f}).")


def show_addresses(base):
    say(f"\n  API       {base}\n  docs      {base}/docs")
    servers = settings(ROOT / ".local" / "servers.env")
    if "LAPIDARY_MANAGEMENT_PORT" in servers and not os.environ.get("LAPIDARY__RABBITMQ__URL"):
        login = urlsplit(servers["LAPIDARY__RABBITMQ__URL"])
        say(f"  RabbitMQ  http://127.0.0.1:{servers['LAPIDARY_MANAGEMENT_PORT']}  (user {login.username}, password {login.password})")
    say("\nNext: copy another CSV into inbox/ under a name ending in .part, rename it to end in .csv, and watch")
    say(f"  curl -s {base}/v1/models/champion")
    say("move on. Also: make status, make logs, make down (keeps the data), make clean (forgets it).")


def settings(path):
    """Reads the NAME=value lines that the scripts remember."""
    if not path.exists():
        return {}
    lines = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, value in lines}


def dollars(amount):
    return f"${float(amount):,.2f}" if float(amount) % 1 else f"${float(amount):,.0f}"


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; what was dropped is still being worked on: make status")
