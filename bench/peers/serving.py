"""The usual way: FastAPI, XGBoost and asyncpg, each request's record awaited before its answer leaves.

Arguments: DATABASE_URL MODEL PORT. Loads a model as XGBoost saves it in JSON, makes its table, prints "ready", serves.
"""
import asyncio
import json
import sys
import time
import uuid

import asyncpg
import numpy as np
import uvicorn
import xgboost as xgb
from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel

GRADES = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": ["J", "I", "H", "G", "F", "E", "D"],
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}
CODES = {name: {grade: code for code, grade in enumerate(grades)} for name, grades in GRADES.items()}
FEATURES = ["carat", "cut", "color", "clarity", "depth", "table", "x", "y", "z"]
INSERT = """INSERT INTO peer_traffic (id, path, status, duration_us, request_body, response_body)
    VALUES ($1, $2, $3, $4, $5, $6)"""


class Diamond(BaseModel):
    carat: float
    cut: str
    color: str
    clarity: str
    depth: float | None = None
    table: float | None = None
    x: float | None = None
    y: float | None = None
    z: float | None = None


def load(path):
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(path)
    return booster


def application(booster, url):
    app = FastAPI()

    @app.on_event("startup")
    async def connect():
        app.state.pool = await asyncpg.create_pool(url, min_size=16, max_size=32)
        print("ready", flush=True)

    @app.post("/v1/predictions")
    async def predict(diamond: Diamond, request: Request):
        started = time.perf_counter()
        row = [
            CODES[name][getattr(diamond, name)] if name in CODES else getattr(diamond, name) or np.nan
            for name in FEATURES
        ]
        price = float(booster.inplace_predict(np.array([row], dtype=np.float32))[0])
        identity = uuid.uuid4()
        body = json.dumps({"id": str(identity), "price": round(price, 2), "currency": "USD"}).encode()
        took = int((time.perf_counter() - started) * 1e6)
        await app.state.pool.execute(INSERT, identity, "/v1/predictions", 200, took, await request.body(), body)
        return Response(body, media_type="application/json")

    return app


async def make_table(url):
    connection = await asyncpg.connect(url)
    await connection.execute(
        """CREATE TABLE IF NOT EXISTS peer_traffic (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(),
        path text NOT NULL, status smallint NOT NULL, duration_us bigint NOT NULL, request_body bytea NOT NULL,
        response_body bytea NOT NULL)"""
    )
    await connection.close()


if __name__ == "__main__":
    url, path, port = sys.argv[1:]
    asyncio.run(make_table(url))
    uvicorn.run(application(load(path), url), host="127.0.0.1", port=int(port), log_level="error", access_log=False)
