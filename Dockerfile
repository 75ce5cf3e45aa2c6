# syntax=docker/dockerfile:1
# One image with the four binaries; docker-compose.yml says which one a container runs.

# The compiler that bench/profile has a profile for.
FROM rust:1.95-bookworm AS build
WORKDIR /src
# XGBoost is C++, and its bindings are made from its headers.
RUN apt-get update \
    && apt-get install -y --no-install-recommends clang cmake libclang-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . .
# The target folder is a cache and not part of the image, so the binaries are copied out in the same step. Everything is
# built as `make build` does, with the same features, or the profile would not fit.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --workspace --bins \
    && mkdir /out \
    && cp target/release/migrations target/release/ingest target/release/trainer target/release/api /out/

FROM debian:bookworm-slim
# curl is for the health checks, the certificates for object stores and brokers behind TLS, the libraries for XGBoost.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --home-dir /var/lib/lapidary lapidary \
    # Open to any user, since compose runs the services as the one who owns the inbox. Volumes take this over.
    && mkdir -p /var/lib/lapidary/store /var/lib/lapidary/inbox /var/lib/lapidary/scratch \
        /var/lib/lapidary/spool /var/lib/lapidary/cache \
    && chmod 755 /var/lib/lapidary \
    && chmod 777 /var/lib/lapidary/store /var/lib/lapidary/inbox /var/lib/lapidary/scratch \
        /var/lib/lapidary/spool /var/lib/lapidary/cache
COPY --from=build /out/ /usr/local/bin/
WORKDIR /var/lib/lapidary
USER lapidary
ENV LAPIDARY__STORE__URL=file:///var/lib/lapidary/store \
    LAPIDARY__INGEST__INBOX=/var/lib/lapidary/inbox \
    LAPIDARY__INGEST__SCRATCH=/var/lib/lapidary/scratch \
    LAPIDARY__API__CACHE=/var/lib/lapidary/cache \
    LAPIDARY__TRAFFIC__SPOOL=/var/lib/lapidary/spool \
    LAPIDARY__API__LISTEN=0.0.0.0:8080 \
    LAPIDARY__INGEST__LISTEN=0.0.0.0:8081 \
    LAPIDARY__TRAINER__LISTEN=0.0.0.0:8082
CMD ["api"]
