/**
 * Holds what tests run in pages of a browser to send requests. It is sent there as text, so each function uses nothing
 * but its argument and what a browser has.
 */

export interface Asking {
  readonly url: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly credentials?: 'include' | 'omit' | 'same-origin'
  readonly mode?: 'cors' | 'no-cors'
}

/** What a page sees of an answer. */
export interface Seen {
  readonly status: number
  readonly type: string
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** Runs in a page, which is told no more than this of a request that did not work. */
export const UNREADABLE = 'Failed to fetch'

/** Runs in a page. */
export async function ask({ url, ...init }: Asking): Promise<Seen | string> {
  try {
    const response = await fetch(url, init)
    const { status, type, headers } = response
    return { status, type, headers: Object.fromEntries(headers), text: await response.text() }
  } catch (error) {
    return (error as Error).message
  }
}

/** Runs in a page, which keeps the connection for {@link connection}. @returns whether it could be opened */
export function connect(url: string): Promise<boolean> {
  const kept = { socket: new WebSocket(url), messages: [] as unknown[], code: 0 }
  Object.assign(globalThis, { kept })
  kept.socket.onmessage = ({ data }) => kept.messages.push(data)
  kept.socket.onclose = ({ code }) => {
    kept.code = code
  }
  return new Promise(resolve => {
    kept.socket.onopen = () => resolve(true)
    kept.socket.onerror = () => resolve(false)
  })
}

/** Runs in a page. @returns what became of the connection that it has: zero as the code while that is open */
export function connection(): { readonly code: number; readonly messages: readonly unknown[] } {
  const { code, messages } = (globalThis as unknown as { kept: ReturnType<typeof connection> }).kept
  return { code, messages }
}

/** Runs in a page. */
export function say(message: string): void {
  const { kept } = globalThis as unknown as { kept: { socket: WebSocket } }
  kept.socket.send(message)
}
