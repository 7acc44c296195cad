/**
 * Asks the admin listener of a running gateway what it refused: once, or as an event stream.
 *
 * Nothing is sent but the question, so that any address may be asked.
 */
import type { IncomingMessage } from 'node:http'
import type { RecentRefusal } from '../../admin/recent.ts'
import type { Address } from '../../config/schema/schema.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'
import { addressText } from '../admin/addresses.ts'
import { opened, textOf } from '../admin/ask.ts'

/** The gateway has not told what was asked. The message says why, and what to do. */
export class ListenerError extends Error {
  override readonly name = 'ListenerError'
  /** Whether it may be otherwise soon, as when the gateway starts again. */
  readonly isPassing: boolean

  constructor(message: string, kind: 'passing' | 'lasting') {
    super(message)
    this.isPassing = kind === 'passing'
  }
}

const TIMEOUT_MS = 10_000
const MOST_ANSWER_BYTES = 8 * 1024 * 1024

/** @throws {ListenerError} */
export async function asked(address: Address, path: string): Promise<unknown> {
  const response = await answered(address, path, AbortSignal.timeout(TIMEOUT_MS))
  const text = await goodText(response, address)
  try {
    return JSON.parse(text)
  } catch {
    throw new ListenerError(`${addressText(address)} answered something else than JSON`, 'lasting')
  }
}

/** @throws {ListenerError} */
export async function rememberedOf(address: Address, request: string): Promise<readonly RecentRefusal[]> {
  const answer = await asked(address, `/-/recent?request=${encodeURIComponent(request)}`)
  return recordsIn(answer)
}

function recordsIn(answer: unknown): readonly RecentRefusal[] {
  const { records } = Object(answer) as { readonly records?: unknown }
  return Array.isArray(records) ? records.filter(isRefusal) : []
}

/** Is false for what another program answers that listens there. */
function isRefusal(value: unknown): value is RecentRefusal {
  const { time, code, method, request_id: id } = Object(value) as Readonly<Record<string, unknown>>
  return [time, code, method, id].every(text => typeof text === 'string')
}

/** A refusal as it was told live, and the cursor for what follows it. */
interface ToldRefusal {
  readonly refusal: RecentRefusal
  readonly cursor: string
}

/**
 * Gives what is refused from now on, until the stream ends or is given up.
 *
 * @param after a cursor; without one it begins with what is remembered
 * @throws {ListenerError}
 */
export async function* liveRefusals(
  address: Address,
  after: string | undefined,
  signal: AbortSignal,
  onOpen: () => void,
): AsyncGenerator<ToldRefusal> {
  const query = after === undefined ? '' : `?after=${encodeURIComponent(after)}`
  const response = await answered(address, `/-/live${query}`, signal)
  if (response.statusCode !== 200) await goodText(response, address)
  onOpen()
  let rest = ''
  response.setEncoding('utf8')
  try {
    for await (const piece of response) {
      const blocks = (rest + String(piece)).split('\n\n')
      rest = blocks.pop() ?? ''
      if (rest.length > MOST_ANSWER_BYTES) throw new Error('an event is too large')
      for (const block of blocks) {
        const told = toldIn(block)
        if (told !== undefined) yield told
      }
    }
  } catch (error) {
    if (signal.aborted) return
    throw new ListenerError(`${addressText(address)} broke off: ${connectionFailureText(error)}`, 'passing')
  }
}

/** @returns undefined for a comment, and for an event of another kind */
function toldIn(block: string): ToldRefusal | undefined {
  const fields = new Map(block.split('\n').map(line => [line.split(':', 1)[0] ?? '', line.replace(/^[^:]*: ?/, '')]))
  if (fields.get('event') !== 'refusal') return undefined
  const refusal: unknown = JSON.parse(fields.get('data') ?? '')
  return isRefusal(refusal) ? { refusal, cursor: fields.get('id') ?? '' } : undefined
}

/** @throws {ListenerError} */
async function answered(address: Address, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const host = 'socketPath' in address ? 'localhost' : addressText(address).slice('http://'.length)
  try {
    return await opened({ address, path, headers: { host }, signal })
  } catch (error) {
    const why = signal.aborted ? 'there was no answer in time' : connectionFailureText(error)
    const text = `the admin listener ${addressText(address)} cannot be reached: ${why}`
    throw new ListenerError(`${text}; see that the gateway runs, and that this is its \`admin.listen\``, 'passing')
  }
}

/** @throws {ListenerError} the status is not 200, or the answer breaks off */
async function goodText(response: IncomingMessage, address: Address): Promise<string> {
  let text: string
  try {
    text = await textOf(response, MOST_ANSWER_BYTES)
  } catch (error) {
    throw new ListenerError(`${addressText(address)} broke off its answer: ${connectionFailureText(error)}`, 'passing')
  }
  const { statusCode = 0 } = response
  if (statusCode === 200) return text
  if (text.includes(REFUSED))
    throw new ListenerError(
      `${addressText(address)} is where the gateway takes requests; ask its admin listener (\`admin.listen\`)`,
      'lasting',
    )
  const known = STATUS_TEXTS[statusCode] ?? `it answered ${statusCode}`
  throw new ListenerError(`${addressText(address)}: ${known}`, statusCode >= 500 ? 'passing' : 'lasting')
}

/** A refusal says this, and the admin listener never does. */
const REFUSED = '"type":"urn:sallyport:denial:'

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'the admin listener does not go by that name: call it by its IP address or as localhost, or list the name in `admin.hosts`',
  403:
    'the gateway tells refusals to its own machine only: ask there (kubectl exec, or kubectl port-forward POD 9090), or ' +
    'list this address in `admin.console.from`',
  404: 'the gateway remembers no refusals: write `console: {}` below `admin` and start it again, or look into its log',
  503: 'it has as many readers as it takes, or is not up',
}
