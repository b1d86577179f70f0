# The image of Keymount for people with Docker. `npm run image` makes the same one without it, by the same code.
#   docker build -t ghcr.io/keymount/keymount:0.2.0 .
# The digest is that of the tag's index, for amd64 and arm64. docs/releases.md describes how to move the pins.
FROM node:24.21.0-bookworm-slim@sha256:d6aa754f16b3197301076f047b5def2f02ea1dbbc2ca920407d46d7ec7f87b20 AS build
# The programs that redirect connections go into the image, with the libraries that they load.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      iptables=1.8.9-2 \
      libip4tc2=1.8.9-2 \
      libip6tc2=1.8.9-2 \
      libmnl0=1.0.4-3 \
      libnetfilter-conntrack3=1.0.9-3 \
      libnfnetlink0=1.0.2-2 \
      libnftnl11=1.2.4-2 \
      libxtables12=1.8.9-2 \
      netbase=6.4 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run image -- --rootfs \
 && mv dist/image/rootfs-* /rootfs \
 && rm /rootfs/.entrypoint

FROM scratch
COPY --from=build /rootfs/ /
ENV PATH=/usr/local/bin:/usr/bin:/bin MALLOC_ARENA_MAX=1
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=1", "--expose-gc", "--disable-sigusr1", "/opt/keymount/start.cjs"]
