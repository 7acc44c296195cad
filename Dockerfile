# The image of Sallyport: Node, one file, nothing else. Proof that it works: test/build/check-image.ts.
#
#   docker build -t sallyport .
#   docker run --read-only --memory=128m --cap-drop=ALL -v ./config:/etc/sallyport:ro -p 8080:8080 sallyport
#
# Two builds from the same source on the same images have the same digest, if the tool that builds is told the time that
# everything shall bear: k8s/README.md, under Image, has the lines for buildah and for docker.
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
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts --no-update-notifier
COPY LICENSE ./
COPY src src/
COPY config/demo.yaml config/
# The issuer of `sallyport dev` does not belong on a server.
RUN node src/build/build.ts /app/dist --server && rm /app/dist/*.map && cp package.json /app/
# Starts once, so that what V8 compiles on the way is kept: the image starts in less time. The cache belongs to this path,
# this Node and the user below; another user's Node passes it by.
RUN node src/build/compile-cache.ts /app/dist/sallyport.js /app/compile-cache 65532 && chmod -R a+rX /app
# The time of every file, for tools that take it over as it is.
ARG SOURCE_DATE_EPOCH=0
RUN find /app -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM build AS demo
RUN node src/build/build.ts /try

# For trying it, as config/compose.yaml does (--target try): with the issuer that gives tokens to whoever asks.
FROM ${BASE_IMAGE} AS try
ENV PATH=/usr/local/bin:/nodejs/bin:/usr/bin:/bin
COPY --from=build /app /app
COPY --from=demo /try/dev.js /app/dist/dev.js
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/sallyport.js"]
CMD ["dev"]

FROM ${BASE_IMAGE}
# What only the one who builds knows: the version, the commit, when (RFC 3339) and from where, and on which image.
ARG VERSION=0.1.0
ARG REVISION=""
ARG CREATED=""
ARG SOURCE=""
ARG BASE_IMAGE
ARG BASE_DIGEST=""
# The last one says where the bill of materials is: what is in the bundle, in the format of CycloneDX.
LABEL org.opencontainers.image.title="Sallyport" \
      org.opencontainers.image.description="Authenticating sidecar proxy: validates access tokens, enforces scopes and claims per route, tells the service behind it who is calling." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}" \
      sallyport.sbom="/app/dist/sallyport.cdx.json"
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
