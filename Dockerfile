# Firelane's image. It is laid out as the FireLens images of AWS are, so that a task definition changes its `image`
# line and nothing else: overridden commands, health checks and the agent's mounts find what they expect.
#
#   docker build -t firelane .
#
# Build arguments:
#   BUILD_BASE, RUNTIME_BASE   other base images (a mirror, an older Debian); both of the same Debian release
#   FEATURES                   cargo features to add; the image leaves the default ones out, which are for trying
#                              Firelane on a desk (`local`: the strict CloudWatch Logs endpoint and `firelane demo`)
ARG BUILD_BASE=rust:1.95-bookworm
ARG RUNTIME_BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS build
ARG FEATURES=""
WORKDIR /build

# The dependencies, with an empty crate in our place: this layer is built again only when Cargo.toml or Cargo.lock
# changes. Targets named in Cargo.toml carry their `path`, so that cargo does not look for the files of tests and benches.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --no-default-features --features "$FEATURES" \
    && rm -r src

# The files' times go to now: cargo compares them with those of the empty crate.
COPY src src
COPY packaging packaging
RUN find src -type f -exec touch {} + \
    && cargo build --release --locked --no-default-features --features "$FEATURES" \
    && sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1 > VERSION

FROM ${RUNTIME_BASE}
LABEL org.opencontainers.image.title="Firelane" \
      org.opencontainers.image.description="Log router for Amazon ECS, in the place of the FireLens image" \
      org.opencontainers.image.licenses="Apache-2.0"

# Task definitions call `curl` and `nc` in their health checks. `nc` is ncat, as in the images of AWS: it closes its
# sending half at the end of its input, which `echo ... | nc 127.0.0.1 8877` needs to come to an end; the openbsd and
# traditional ones do not.
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl ncat \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old

COPY packaging/entrypoint.sh /entrypoint.sh
# Parsers are in two places: the agent mounts its configuration over /fluent-bit/etc.
COPY packaging/etc/ packaging/parsers/ /fluent-bit/etc/
COPY packaging/parsers/ /fluent-bit/parsers/
COPY packaging/configs/ /fluent-bit/configs/
COPY packaging/ecs/ /ecs/
COPY --from=build /build/VERSION /AWS_FOR_FLUENT_BIT_VERSION
COPY --from=build /build/target/release/firelane /fluent-bit/bin/fluent-bit
RUN ln -s /fluent-bit/bin/fluent-bit /usr/local/bin/firelane

# 2020: monitoring, when the configuration turns it on. 24224: forward.
EXPOSE 2020 24224

# No USER: unless the task definition names one, the directory that the agent mounts at /var/run belongs to root. Any
# other numeric uid works too, and so does a read-only root file system: nothing outside /var/run is written.
# No HEALTHCHECK: ECS takes health checks from the task definition only.
# No ENTRYPOINT, and a shell form, as in the images of AWS: `command` in a task definition replaces it whole. `exec`, so
# that the stop signal reaches Firelane and not a shell.
CMD exec /entrypoint.sh
