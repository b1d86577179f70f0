# The image of Keymount for people with Docker. `npm run image` makes the same one without it, by the same code.
#   docker build -t ghcr.io/keymount/keymount:0.1.0 .
FROM node:24-bookworm-slim AS build
# The programs that redirect connections go into the image.
RUN apt-get update && apt-get install -y --no-install-recommends iptables && rm -rf /var/lib/apt/lists/*
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
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=1", "--expose-gc", "/opt/keymount/start.cjs"]
