# Portcullis in a container: built from this directory with the locked dependencies, run as a user
# without rights. Nothing secret is in the image; configuration, policy, certificates and users are
# mounted; all but the configuration are read again when they change.
#
#   docker build -t portcullis .
#   docker run -p 6432:6432 -v /etc/portcullis:/etc/portcullis:ro -v portcullis:/var/lib/portcullis portcullis
#
# Keys and userlist.txt must be readable by the user below and by nobody else: chgrp 10001, chmod 0640.
# Migration sessions: docker exec CONTAINER portcullis migration open ...
ARG RUST=1.95

FROM rust:${RUST}-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin portcullis \
    && install -D -m 0755 target/release/portcullis /out/portcullis

FROM debian:12-slim
RUN groupadd --gid 10001 portcullis \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/portcullis \
        --shell /usr/sbin/nologin portcullis \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/portcullis /run/portcullis \
    && install -d -m 0755 /etc/portcullis
COPY --from=build /out/portcullis /usr/local/bin/portcullis
USER 10001:10001
VOLUME /var/lib/portcullis
EXPOSE 6432 9632
# SIGTERM lets transactions end: give it drain_timeout (docker stop --time).
STOPSIGNAL SIGTERM
# Asks the [listen] http address of /etc/portcullis/portcullis.toml.
HEALTHCHECK --interval=10s --timeout=6s --start-period=15s --retries=3 \
    CMD portcullis status --ready || exit 1
ENTRYPOINT ["portcullis"]
CMD ["serve"]
