# The tank command with its production dependencies.
#
#   docker build -t tank .
#   docker run tank api|registry|...

FROM node:22-bookworm-slim AS build
WORKDIR /src
# every package that the lock file names, in a layer that only the lock file changes
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
RUN npx -y pnpm@12.21.0 fetch
COPY . .
RUN npx -y pnpm@12.21.0 install --frozen-lockfile --offline \
 && npx tsc -b packages/cli \
 && npx -y pnpm@12.21.0 --filter @tank/cli deploy --legacy --prod --no-optional /out

FROM node:22-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /out /opt/tank
COPY deploy/tank-health /usr/local/bin/
# a volume that is mounted here for the first time takes this owner
RUN printf '#!/bin/sh\nexec node /opt/tank/dist/src/bin/tank.js "$@"\n' >/usr/local/bin/tank \
 && chmod 755 /usr/local/bin/tank \
 && install -d -o node -g node -m 0750 /var/lib/tank /var/lib/tank/images
USER node
WORKDIR /var/lib/tank
EXPOSE 9292 9191
# what is asked for health; the compose file names another address for the registry
ENV TANK_HEALTH_URL=http://127.0.0.1:9292/healthcheck
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
  CMD ["tank-health"]
ENTRYPOINT ["tank"]
CMD ["api"]
