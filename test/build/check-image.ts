/**
 * Proves the Dockerfile where there is no container engine and no registry of images: `node
 * test/build/check-image.ts`, as root on Debian.
 *
 * Builds the image with buildah on a base made by debootstrap plus this project's own Node, twice, and compares the
 * digests. Runs it read-only as the user that it names and without capabilities, sends requests through it, stops it,
 * and prints its size and start time.
 * Missing Debian packages are installed. What it makes is below a folder in /tmp and is removed at the end.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import packageJson from '../../package.json' with { type: 'json' }

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REVISION = 'c0ffee'
const MEMORY_LIMIT_BYTES = 128 * 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'sallyport-image-'))
// Storage of its own: no image of this machine is seen or touched. `vfs` and `chroot` need no kernel support.
const STORE = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']

/** What each process has printed so far. */
const outputs = new WeakMap<ChildProcess, { text: string }>()

const memory = memoryCgroup()

interface MemoryCgroup {
  readonly folder: string
  /** Most bytes that were in use at a time. */
  readonly peakFile: string
}

interface ImageConfig {
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly User: string
  readonly StopSignal: string
  readonly Labels: Readonly<Record<string, string>>
}

try {
  installMissing()
  makeBases()
  log('building')
  const digest = build('sallyport')
  log('building once more')
  const again = build('again')
  if (again !== digest) log(`${again} ${differences()}`)
  check(`two builds have the same digest, ${digest}`, again === digest)
  const inspected = JSON.parse(buildah('inspect', '--type', 'image', 'localhost/sallyport')) as {
    readonly OCIv1: { readonly config: ImageConfig }
  }
  const { config } = inspected.OCIv1
  check('the user is a number and not root', /^[1-9]\d*:[1-9]\d*$/.test(config.User))
  check('the stop signal is SIGTERM', config.StopSignal === 'SIGTERM')
  const labels = (name: string) => config.Labels[`org.opencontainers.image.${name}`]
  check(
    'its labels say what it is, of which commit and on which base',
    labels('title') === 'Sallyport' &&
      labels('version') === packageJson.version &&
      labels('revision') === REVISION &&
      labels('base.name') === 'localhost/check-base',
  )
  const rootFolder = buildah('mount', buildah('from', 'localhost/sallyport'))
  check(
    'no development dependency is in it',
    !existsSync(join(rootFolder, 'build')) && !existsSync(join(rootFolder, 'app/node_modules')),
  )
  check('the embedded issuer is not in it', !existsSync(join(rootFolder, 'app/dist/dev.js')))
  check(
    'its licence is in it, with the whole text',
    readFileSync(join(rootFolder, 'app/dist/LICENSE'), 'utf8').includes('END OF TERMS AND CONDITIONS'),
  )
  const sbom = JSON.parse(readFileSync(join(rootFolder, config.Labels['sallyport.sbom'] ?? ''), 'utf8'))
  check('its bill of materials is where a label says', sbom.bomFormat === 'CycloneDX' && sbom.components.length > 50)
  // Nothing of the image may need one. In a base without a shell nothing else could go wrong.
  for (const shell of ['sh', 'dash', 'bash']) rmSync(join(rootFolder, 'usr/bin', shell), { force: true })
  await drive(rootFolder, config)
  const appBytes = bytesOf(join(rootFolder, 'app'))
  const nodeBytes = bytesOf(join(rootFolder, 'usr/local/bin/node'))
  log(
    `size: /app ${mebibytes(appBytes)}, Node ${mebibytes(nodeBytes)}, all of it on this base ${mebibytes(bytesOf(rootFolder))}`,
  )
} finally {
  try {
    buildah('umount', '--all')
    buildah('rm', '--all')
  } finally {
    rmSync(folder, { recursive: true, force: true })
    if (memory !== undefined) rmdirSync(memory.folder)
  }
}

/** @returns the digest of the manifest: of everything in the image and everything it says of itself */
function build(name: string): string {
  const args = { NODE_IMAGE: 'localhost/check-node', BASE_IMAGE: 'localhost/check-base', REVISION }
  buildah(
    ...['bud', '--isolation', 'chroot', '--no-cache', '--timestamp', '0', '--tag', name],
    ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    ROOT,
  )
  return buildah('inspect', '--type', 'image', '--format', '{{.FromImageDigest}}', `localhost/${name}`)
}

/** What the two images say of themselves, and what is in `/app` of each, with modes, owners, times and contents. */
function differences(): string {
  const [first = '', second = ''] = ['sallyport', 'again'].map(name => {
    const content = join(buildah('mount', buildah('from', `localhost/${name}`)), 'app')
    const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', `localhost/${name}`))
    const files = run(
      'sh',
      '-c',
      `cd ${content} && find . -printf '%p %m %U %T@\\n' | sort && find . -type f -exec sha256sum {} +`,
    )
    const text = join(folder, `${name}.txt`)
    writeFileSync(text, `${JSON.stringify(OCIv1, undefined, 1)}\n${files}\n`)
    return text
  })
  return run('sh', '-c', `diff ${first} ${second} || true`)
}

/** What `--memory=128m` makes, in either version of cgroups; undefined where this machine lets us make none. */
function memoryCgroup(): MemoryCgroup | undefined {
  for (const [parent, limit, peak] of [
    ['/sys/fs/cgroup', 'memory.max', 'memory.peak'],
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.max_usage_in_bytes'],
  ] as const) {
    const group = join(parent, `sallyport-image-check-${process.pid}`)
    try {
      mkdirSync(group)
      if (existsSync(join(group, limit))) {
        writeFileSync(join(group, limit), String(MEMORY_LIMIT_BYTES))
        return { folder: group, peakFile: join(group, peak) }
      }
      rmdirSync(group)
    } catch {
      // Not this version, or not ours to change.
    }
  }
  return undefined
}

function installMissing(): void {
  const missing = ['buildah', 'debootstrap'].filter(
    name => !existsSync(`/usr/bin/${name}`) && !existsSync(`/usr/sbin/${name}`),
  )
  if (missing.length === 0) return
  log(`installing ${missing.join(', ')}`)
  run('apt-get', 'update', '-qq')
  run('apt-get', 'install', '-y', '-qq', ...missing)
}

/** `check-base` has Node and what it links; `check-node` has npm, too, and this machine's way to the registry. */
function makeBases(): void {
  log('making the base images')
  const base = join(folder, 'base')
  run('debootstrap', '--variant=minbase', '--include=ca-certificates,libatomic1,libstdc++6', 'bookworm', base)
  run('install', '-D', '-m', '755', realpathSync(process.execPath), join(base, 'usr/local/bin/node'))
  commit('check-base', 'scratch', base)

  const npm = join(folder, 'npm')
  const lib = join(npm, 'usr/local/lib/node_modules')
  mkdirSync(lib, { recursive: true })
  mkdirSync(join(npm, 'usr/local/bin'), { recursive: true })
  run('cp', '-r', join(realpathSync(run('sh', '-c', 'command -v npm')), '../..'), join(lib, 'npm'))
  run('ln', '-s', '../lib/node_modules/npm/bin/npm-cli.js', join(npm, 'usr/local/bin/npm'))
  const ownCertificates = process.env.NODE_EXTRA_CA_CERTS
  if (ownCertificates !== undefined) run('install', '-D', '-m', '644', ownCertificates, join(npm, 'etc/check-ca.pem'))
  commit(
    'check-node',
    'localhost/check-base',
    npm,
    ownCertificates === undefined ? [] : ['--env', 'NODE_EXTRA_CA_CERTS=/etc/check-ca.pem'],
  )
}

function commit(name: string, from: string, content: string, config: readonly string[] = []): void {
  const container = buildah('from', from)
  buildah('copy', container, content, '/')
  if (config.length > 0) buildah('config', ...config, container)
  buildah('commit', '--rm', container, name)
}

/** A request through the running image, and its end. */
async function drive(rootFolder: string, config: ImageConfig): Promise<void> {
  const service = createServer((request, response) => response.end(JSON.stringify(request.headers))).listen(
    0,
    '127.0.0.1',
  )
  await once(service, 'listening')
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const mounted = join(folder, 'config')
  mkdirSync(mounted)
  writeFileSync(
    join(mounted, 'jwks.json'),
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'check' }] }),
  )
  writeFileSync(
    join(mounted, 'sallyport.yaml'),
    `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
providers:
  main: { type: jwt, issuer: https://issuer.example, audiences: [check], keys: { jwksFile: jwks.json } }
upstreams: { app: "http://127.0.0.1:${(service.address() as AddressInfo).port}" }
routes: [{ id: all, path: /**, require: { scopes: [check] } }]
`,
  )
  chmodSync(mounted, 0o755)
  const token = await new SignJWT({ scope: 'check' })
    .setProtectedHeader({ alg: 'ES256', kid: 'check' })
    .setIssuer('https://issuer.example')
    .setAudience('check')
    .setSubject('alice')
    .setExpirationTime('5m')
    .sign(privateKey)

  const wrote = contained(rootFolder, config, ['node', '-e', "require('node:fs').writeFileSync('/app/x', '')"])
  check('the root is read-only', (await exitCode(wrote)) !== 0 && (await text(wrote)).includes('EROFS'))

  // What Node says of the cache, which it would pass by without a word.
  const cached = contained(rootFolder, { ...config, Env: [...config.Env, 'NODE_DEBUG_NATIVE=COMPILE_CACHE'] }, [
    ...config.Entrypoint,
    '--version',
  ])
  await exitCode(cached)
  check('V8 takes what was compiled when the image was made', (await text(cached)).includes('was accepted'))

  const startTimesMs: number[] = []
  for (let turn = 0; turn < 5; turn++) {
    const startedMs = performance.now()
    const gateway = contained(rootFolder, config, [...config.Entrypoint, ...config.Cmd])
    const { url, admin } = JSON.parse(
      (await text(gateway, /"msg":"listening"/)).split('\n').find(line => line.includes('"listening"')) ?? '',
    )
    startTimesMs.push(performance.now() - startedMs)
    if (turn === 0) {
      check('a request without a token is refused', (await fetch(`${url}/orders`)).status === 401)
      const allowed = await fetch(`${url}/orders`, {
        headers: { authorization: `Bearer ${token}`, 'x-auth-subject': 'root' },
      })
      check('a request with a token reaches the service', allowed.status === 200)
      check(
        'the service sees who calls',
        ((await allowed.json()) as Record<string, string>)['x-auth-subject'] === 'alice',
      )
      check('it is ready', (await fetch(`${admin}/readyz`)).status === 200)
      for (let sent = 0; sent < 2000; sent++)
        await (await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } })).arrayBuffer()
      const usedBytes = memory === undefined ? undefined : Number(readFileSync(memory.peakFile, 'utf8'))
      if (usedBytes === undefined) log('not checked: memory, for want of a memory cgroup')
      else check(`the most memory it took is ${mebibytes(usedBytes)}, of 128 MiB`, usedBytes < MEMORY_LIMIT_BYTES)
    }
    gateway.kill('SIGTERM')
    check('it ends with 0', (await exitCode(gateway)) === 0)
  }
  log(`start until it listens: ${startTimesMs.map(ms => `${Math.round(ms)} ms`).join(', ')}`)
  service.close()
}

/** What a container engine does: own mounts, a read-only root, the image's user and environment, no privileges. */
function contained(rootFolder: string, { Env, User }: ImageConfig, command: readonly string[]): ChildProcess {
  const mounted = join(rootFolder, 'etc/sallyport')
  mkdirSync(mounted, { recursive: true })
  const prepare = [
    ...(memory === undefined ? [] : [`echo $$ > ${memory.folder}/cgroup.procs`]),
    'mount --bind "$0" "$0"',
    'mount --bind "$1" "$0/etc/sallyport"',
    'mount -t proc proc "$0/proc"',
    'mount --bind /dev "$0/dev"',
    'mount -o remount,bind,ro "$0"',
    'mount -o remount,bind,ro "$0/etc/sallyport"',
  ].join(' && ')
  const child = spawn(
    'unshare',
    [
      '--mount',
      'sh',
      '-c',
      `${prepare} && shift && exec env -i "$@"`,
      rootFolder,
      join(folder, 'config'),
      ...Env,
      '/usr/bin/setpriv',
      '--no-new-privs',
      '--inh-caps=-all',
      '/usr/sbin/chroot',
      `--userspec=${User}`,
      rootFolder,
      ...command,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const output = { text: '' }
  outputs.set(child, output)
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output.text += chunk
      child.emit('output')
    })
  return child
}

async function text(child: ChildProcess, awaited = /(?:)/): Promise<string> {
  while (!awaited.test(outputs.get(child)?.text ?? '')) {
    if (child.exitCode !== null) throw new Error(`ended early: ${outputs.get(child)?.text}`)
    await Promise.race([once(child, 'output'), once(child, 'close')])
  }
  return outputs.get(child)?.text ?? ''
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, 'close')
  return child.exitCode
}

function buildah(...args: readonly string[]): string {
  return run('buildah', ...STORE, ...args)
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  }).trim()
}

function bytesOf(path: string): number {
  return Number(run('du', '-sb', path).split('\t')[0])
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

function check(what: string, holds: boolean): void {
  log(`${holds ? 'ok    ' : 'failed'} ${what}`)
  if (!holds) throw new Error(`failed: ${what}`)
}

function log(line: string): void {
  process.stdout.write(`${line}\n`)
}
