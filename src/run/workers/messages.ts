/** What the primary and its workers say to each other, as JSON over the channel that Node opens between them. */
import type { Status } from '../../admin/status.ts'
import type { Family } from './totals.ts'

/** Set in the environment of a worker: the settings that its primary was started with, as JSON. */
export const WORKER_VARIABLE = 'SALLYPORT_WORKER'

/** What a worker answers, by what it was asked. */
export interface Answers {
  readonly status: Status
  readonly metrics: readonly Family[]
  /** Of the service behind the gateway. */
  readonly probe: number
}

export type Question =
  | { readonly ask: 'status' }
  | { readonly ask: 'metrics' }
  /** `path` as the admin listener sees it. */
  | { readonly ask: 'probe'; readonly path: string }

export type Order = { readonly order: 'reload' } | { readonly order: 'drain' } | { readonly order: 'stop' }

/** What the primary says of the connections, which it takes. */
export type News =
  /** It has looked for more since it was asked to. */
  | { readonly news: 'looked' }
  /** Every worker has stopped listening, so it takes no more. */
  | { readonly news: 'stopped' }

/** From the primary. */
export type ToWorker = Order | News | (Question & { readonly id: number })

/** Where a worker listens, and with what. */
export interface Listening {
  readonly url: string
  readonly hash: string
  readonly routes: number
}

/** Why a worker could not start. */
export interface Failure {
  readonly isConfig: boolean
  /** Ready to print. */
  readonly text: string
}

/** From a worker. */
export type ToPrimary =
  | ({ readonly tell: 'listening' } & Listening)
  | ({ readonly tell: 'failed' } & Failure)
  | { readonly tell: 'answer'; readonly id: number; readonly answer: Answers[keyof Answers] | undefined }
  | { readonly tell: 'look' }
  /** It has stopped listening. */
  | { readonly tell: 'closed' }
  /** Its last figures, before it ends. */
  | { readonly tell: 'farewell'; readonly metrics: readonly Family[] }
