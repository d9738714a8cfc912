# Builds the one binary, then puts it alone into a small image.
FROM rust:1.95.0-slim-bookworm AS build
# The bundled SQLite is C.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The dependencies in a layer of their own, which stays until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY config ./config
COPY src ./src
# Cargo goes by times of change: without the touch it would ship the empty program above.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked \
    # Names of functions stay for a backtrace; tables of lines would make most of the image.
    && strip --strip-debug target/release/nadikota

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin nadikota \
    # Named volumes take their owner from here.
    && install -d -o nadikota -g nadikota -m 0700 /var/lib/nadikota /var/lib/nadikota-token
COPY --from=build /build/target/release/nadikota /usr/local/bin/nadikota
COPY config /etc/nadikota
USER nadikota
ENV NADIKOTA__DATA_DIR=/var/lib/nadikota
VOLUME /var/lib/nadikota
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["nadikota", "health"]
# SIGTERM drains within `stop_within`, 30 s by default; give the container longer than that.
STOPSIGNAL SIGTERM
ENTRYPOINT ["nadikota"]
CMD ["run"]
