/** Sends a request as it is written, with targets and names that no client would send, and reads its answer's head. */
import { connect as connectTcp, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface RawAnswer {
  readonly status: number
  /** In lower case, as it came. */
  readonly head: string
}

/** Nobody's head is longer. */
const MOST_BYTES = 64 * 1024

/** @param lines besides `Host` and `Connection` @throws what the system says @returns undefined where nothing came */
export async function rawRequest(
  url: URL,
  { method, target, lines }: { readonly method: string; readonly target: string; readonly lines: readonly string[] },
  signal: AbortSignal,
): Promise<RawAnswer | undefined> {
  const isTls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const port = Number(url.port || (isTls ? 443 : 80))
  const socket = isTls
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ALPNProtocols: ['http/1.1'] })
    : connectTcp({ host, port })
  const abort = (): void => void socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort)
  try {
    socket.setEncoding('latin1')
    socket.write(`${[`${method} ${target} HTTP/1.1`, `Host: ${url.host}`, ...lines].join('\r\n')}\r\n\r\n`, 'latin1')
    let text = ''
    for await (const chunk of socket) {
      text += chunk as string
      if (text.includes('\r\n\r\n') || text.length > MOST_BYTES) break
    }
    const [, status] = /^HTTP\/1\.[01] (\d{3})/.exec(text) ?? []
    return status === undefined
      ? undefined
      : { status: Number(status), head: text.split('\r\n\r\n')[0]?.toLowerCase() ?? '' }
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}
