# Builds the one binary, then puts it alone into a small image.
FROM rust:1.95-slim-bookworm AS build
# The bundled SQLite is C.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY config ./config
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin nadikota \
    && install -d -o nadikota -g nadikota -m 0700 /var/lib/nadikota
COPY --from=build /build/target/release/nadikota /usr/local/bin/nadikota
COPY config /etc/nadikota
USER nadikota
ENV NADIKOTA__DATA_DIR=/var/lib/nadikota
VOLUME /var/lib/nadikota
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["nadikota", "health"]
# SIGTERM drains within `stop_within`, 30 s by default; give the container longer than that.
STOPSIGNAL SIGTERM
ENTRYPOINT ["nadikota"]
CMD ["run", "--config", "/etc/nadikota/nadikota.toml"]
