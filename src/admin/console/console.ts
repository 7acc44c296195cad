/**
 * Makes what the console answers: the page, its script and style, and the view for the script.
 *
 * Whoever looks makes it read the metrics, at most every two seconds for all of them together. While nobody looks it
 * does so every 15 seconds, because what happened in the last minutes is told by how totals have grown.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { Family } from '../../telemetry/metrics/family.ts'
import type { RecentRefusal } from '../recent.ts'
import type { Status } from '../status-answer.ts'
import type { Element } from './nodes.ts'
import { type Readings, readingsOf } from './readings.ts'
import { SCRIPT, STYLE } from './static-files.ts'
import { page, view } from './view.ts'
import { slidingWindow } from './window.ts'

export interface ConsolePage {
  readonly paths: readonly ConsolePath[]
  answer(path: ConsolePath, query: URLSearchParams): Promise<ConsoleAnswer>
  /** Reads no metrics any more. */
  close(): void
}

type ConsolePath = '/-/' | '/-/console.js' | '/-/console.css' | '/-/view'

const PATHS: readonly ConsolePath[] = ['/-/', '/-/console.js', '/-/console.css', '/-/view']

interface ConsoleAnswer {
  readonly type: string
  readonly body: string
}

interface ConsolePageOptions {
  readonly status: () => Status | Promise<Status>
  /** Of all processes together. */
  readonly families: () => AsyncIterable<Family>
  /** What is remembered, the oldest first. */
  readonly recent: () => readonly RecentRefusal[] | Promise<readonly RecentRefusal[]>
  readonly clock: Clock
  readonly scheduler: Scheduler
}

/** A part of the page as the script takes it: with the mark, it tells later what it has. */
interface Part {
  readonly id: string
  readonly mark: string
  readonly tree: Element
}

const WINDOW_MS = 300_000
const STEP_MS = 15_000
/** Who asks sooner gets what somebody else got. */
const FRESH_MS = 1_000

export function consolePage({ status, families, recent, clock, scheduler }: ConsolePageOptions): ConsolePage {
  const past = slidingWindow(WINDOW_MS)
  const edition = digest(SCRIPT + STYLE)
  let made: { readonly atMs: number; readonly parts: Promise<readonly Part[]> } | undefined
  let isClosed = false
  let cancel = scheduler.after(0, step)

  function step(): void {
    void read()
      .then(past.keep, () => {})
      .then(() => {
        if (!isClosed) cancel = scheduler.after(STEP_MS, step)
      })
  }

  function read(): Promise<Readings> {
    return readingsOf(families(), clock.monotonicMs())
  }

  async function makeParts(): Promise<readonly Part[]> {
    const [current, refusals, readings] = await Promise.all([status(), recent(), read()])
    const trees = view({ status: current, recent: refusals, readings, span: past.until(readings) })
    return trees.map(tree => ({ id: tree[1].id ?? '', mark: digest(JSON.stringify(tree)), tree }))
  }

  function parts(): Promise<readonly Part[]> {
    const nowMs = clock.monotonicMs()
    if (made !== undefined && nowMs - made.atMs < FRESH_MS) return made.parts
    made = { atMs: nowMs, parts: makeParts() }
    return made.parts
  }

  const answers: Readonly<Record<ConsolePath, (query: URLSearchParams) => Promise<ConsoleAnswer>>> = {
    '/-/': async () => ({
      type: 'text/html; charset=utf-8',
      body: page(
        (await parts()).map(({ tree }) => tree),
        edition,
      ),
    }),
    '/-/console.js': async () => ({ type: 'text/javascript; charset=utf-8', body: SCRIPT }),
    '/-/console.css': async () => ({ type: 'text/css; charset=utf-8', body: STYLE }),
    '/-/view': async query => {
      const have = new Set(query.get('have')?.split(','))
      const changed = (await parts()).filter(({ id, mark }) => !have.has(`${id}.${mark}`))
      return {
        type: 'application/json; charset=utf-8',
        body: JSON.stringify({ edition, now: new Date(clock.nowMs()).toISOString(), parts: changed }),
      }
    },
  }
  return {
    paths: PATHS,
    answer: (path, query) => answers[path](query),
    close() {
      isClosed = true
      cancel()
    },
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 12)
}
