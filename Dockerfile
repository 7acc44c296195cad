# The image of Sallyport: Node, one file, nothing else. Proof that it works: test/build/check-image.ts.
#
#   docker build -t sallyport .
#   docker run --read-only --memory=128m --cap-drop=ALL -v ./config:/etc/sallyport:ro -p 8080:8080 sallyport
#
# Both images can be pinned, and for a release should be: --build-arg NODE_IMAGE=docker.io/library/node@sha256:…
# BASE_IMAGE is what runs: it needs `node` on the PATH below and the libraries that Node links (glibc, libstdc++,
# libatomic), of the same version as NODE_IMAGE so that the compile cache fits. No shell and no npm are needed there.
ARG NODE_IMAGE=docker.io/library/node:26-trixie-slim
ARG BASE_IMAGE=${NODE_IMAGE}

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY .npmrc package.json package-lock.json ./
# A registry of your own, with its credentials, comes as a secret and stays in no layer: --secret id=npmrc,src=$HOME/.npmrc
# Nothing that is bundled needs an install script.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts
COPY LICENSE ./
COPY src src/
COPY config/demo.yaml config/
# The issuer of `sallyport dev` does not belong on a server.
RUN node src/build/build.ts /app/dist && rm /app/dist/*.map /app/dist/dev.js && cp package.json /app/
# Starts once, so that what V8 compiles on the way is kept: the image starts in less time. The cache belongs to this path.
RUN printf 'listen: 127.0.0.1:0\nadmin: { listen: "127.0.0.1:0" }\nupstreams: { app: "http://127.0.0.1:1" }\nroutes: [{ id: all, path: /**, access: public }]\n' > /tmp/warm.yaml \
 && NODE_COMPILE_CACHE=/app/compile-cache timeout --preserve-status --signal=TERM 5 node /app/dist/sallyport.js run -c /tmp/warm.yaml \
 && chmod -R a+rX /app

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Sallyport" \
      org.opencontainers.image.description="Authenticating sidecar proxy: validates bearer tokens, enforces scopes and claims per route" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# The second folder is where the distroless images keep Node. It is called by name here and by the preStop hook.
# Left to itself, V8 lets its heap grow to twice a limit of 128 MiB, and the kernel would end what V8 could have collected.
# Of a heap that small, V8's default young generation of up to 64 MiB leaves too little: under many connections it would
# collect without end, at three to nine times the processor time.
# glibc gives every thread an arena of its own, and what V8's helpers free stays in there: one for all saves 15 to 20 MiB.
ENV PATH=/usr/local/bin:/nodejs/bin:/usr/bin:/bin \
    NODE_ENV=production \
    NODE_OPTIONS="--max-old-space-size-percentage=50 --max-semi-space-size=8" \
    MALLOC_ARENA_MAX=1 \
    NODE_COMPILE_CACHE=/app/compile-cache
COPY --from=build /app /app
# A number, so that Kubernetes' runAsNonRoot can be sure. It owns no file: the root can be read-only, and what is written
# (`keys.cacheFile`) goes to a volume.
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/sallyport.js"]
CMD ["run", "-c", "/etc/sallyport/sallyport.yaml"]
