/** Gets PyJWT, and runs services that verify by it the tokens that the gateway signs, as Python people do. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ensureWheel } from './wheels.ts'

/** Vitest's set-up says so when it could not be had. */
export const WITHOUT_PYJWT = process.env.WITHOUT_PYJWT === '1'

const WHEELS = ['PyJWT==2.15.1', 'cryptography==50.0.2', 'cffi==2.1.1', 'pycparser==3.12']
const folderOf = (wheel: string): string =>
  fileURLToPath(new URL(`../../../node_modules/.cache/${wheel.replace('==', '-')}`, import.meta.url))

/** @throws {Error} it cannot be had */
export async function ensurePyJwt(): Promise<void> {
  for (const wheel of WHEELS) await ensureWheel(wheel, folderOf(wheel))
}

/** It answers 200 with the claims, or 401 with the reason why it does not believe the token. */
const SERVICE = `
import http.server, json, sys, jwt
keys = jwt.PyJWKClient(sys.argv[1], lifespan=1)
class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        try:
            token = self.headers.get_all("X-Auth-Token")
            if token is None or len(token) != 1: raise ValueError("there is not one token")
            key = keys.get_signing_key_from_jwt(token[0]).key
            said = jwt.decode(token[0], key, algorithms=["ES256", "EdDSA"], issuer=sys.argv[2], audience=sys.argv[3])
            status, body = 200, json.dumps(said).encode()
        except Exception as error:
            status, body = 401, repr(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(server.server_address[1], flush=True)
server.serve_forever()
`

export interface PythonService {
  readonly url: string
  stop(): Promise<void>
}

interface Verifying {
  readonly jwksUrl: string
  readonly issuer: string
  readonly audience: string
}

export async function startPyJwtService({ jwksUrl, issuer, audience }: Verifying): Promise<PythonService> {
  const env = { ...process.env, PYTHONPATH: WHEELS.map(folderOf).join(':') }
  const child = spawn('python3', ['-c', SERVICE, jwksUrl, issuer, audience], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  return {
    url: `http://127.0.0.1:${Number(port)}`,
    async stop() {
      process.off('exit', kill)
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}
