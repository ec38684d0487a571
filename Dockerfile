# Everything that is needed to build, then only what is needed to run.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY console/package.json console/
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
COPY console console
RUN node scripts/build.mjs

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY console/package.json console/
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/console/dist console/dist
COPY migrations migrations
COPY package.json LICENSE* ./
# Volumes take the owner of these directories when they are first made. The key has its own, so that a backup of the data
# alone opens nothing.
RUN install -d -o node -g node -m 0700 /data /keys
USER node
ENV NODE_ENV=production \
    AGENTRUNTIME_HOST=0.0.0.0 \
    AGENTRUNTIME_PORT=8787 \
    AGENTRUNTIME_DATA_DIR=/data \
    AGENTRUNTIME_ROOT_KEY_FILE=/keys/root.key
VOLUME ["/data", "/keys"]
EXPOSE 8787
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.AGENTRUNTIME_PORT}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Longer than our own shutdown takes is not needed; without DATABASE_URL a PostgreSQL of our own runs on /data.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/main.js"]
CMD ["start"]
