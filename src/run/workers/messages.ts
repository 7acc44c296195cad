/** What the primary and its workers say to each other, as JSON over the channel that Node opens between them. */
import type { PublishedKeys } from '../../admin/published-keys.ts'
import type { RecentPart, RecentQuestion } from '../../admin/recent.ts'
import type { RevocationsAnswer, RevocationsRequest } from '../../admin/revocations.ts'
import type { Status } from '../../admin/status-answer.ts'
import type { Debit } from '../../limit/ledger.ts'
import type { RevocationSource } from '../../revocation/revocations.ts'
import type { RevocationChange } from '../../revocation/revoker.ts'
import type { PackedFamily } from '../../telemetry/metrics/exposition.ts'
import type { StartSettings } from '../start-settings.ts'

/** Set in the environment of a worker: a {@link WorkerPart}, as JSON. */
export const WORKER_VARIABLE = 'SALLYPORT_WORKER'

/** What a worker is told when it is started. */
export interface WorkerPart {
  /** Those that its primary was started with. */
  readonly settings: StartSettings
  /** The port on which each worker listens by itself; left out, the primary opens the socket. */
  readonly besidePort?: number | undefined
}

/** Stands for a question that nobody has asked: what a worker counted until its end. */
export const LAST_METRICS = 0

/** What a worker answers, by what it was asked. */
export interface Answers {
  readonly status: Status
  readonly metrics: readonly PackedFamily[]
  /** The status that the service behind the gateway gave. */
  readonly probe: number
  readonly revocations: RevocationsAnswer
  readonly publishedKeys: PublishedKeys
  readonly recent: RecentPart
  /** It is in force. */
  readonly heard: true
}

/** A revocation, or the end of one, that one worker was told by somebody else than the store. */
export interface ToldRevocation {
  readonly change: RevocationChange
  readonly source: RevocationSource
}

/** What a worker has spent of a limit. */
export interface Spent {
  readonly limit: string
  /** How many keys the limit keeps. */
  readonly entries: number
  readonly debits: readonly Debit[]
}

export type Question =
  | { readonly ask: 'status' }
  | { readonly ask: 'metrics' }
  /** Asks the service for its health; `path` is what the admin listener was asked for. */
  | { readonly ask: 'probe'; readonly path: string }
  /** A request for `/-/revocations`, which one worker answers for all. */
  | { readonly ask: 'revocations'; readonly request: RevocationsRequest }
  /** The keys by which services verify our tokens. */
  | { readonly ask: 'publishedKeys' }
  /** What the worker remembers of refusals. The key makes hashes of the names of callers. */
  | { readonly ask: 'recent'; readonly question: RecentQuestion; readonly subjectKey: string }
  /** Puts in force what another worker was told. */
  | ({ readonly ask: 'heard' } & ToldRevocation)

export type Order = { readonly order: 'reload' } | { readonly order: 'drain' } | { readonly order: 'stop' }

/** What the primary tells a worker about the listener, whose connections the primary accepts, and about the others. */
export type News =
  /** The primary has looked for connections once more. */
  | { readonly news: 'looked' }
  /** Every worker has stopped listening, so the primary accepts no more connections. */
  | { readonly news: 'stopped' }
  /** A part of what is revoked: the entries of a table, in base64. */
  | { readonly news: 'revoked' | 'undone'; readonly packed: string }
  /** All that is revoked has been told. Of all workers, one keeps the cache file of revocations. */
  | { readonly news: 'joined'; readonly keepsCache: boolean }
  /** How far ahead each key is that the worker has told of under this number. */
  | { readonly news: 'ahead'; readonly id: number; readonly aheadMs: readonly number[] }

/** What the primary sends. */
export type ToWorker = Order | News | (Question & { readonly id: number })

/** Where a worker listens, and with which configuration. */
export interface Listening {
  readonly url: string
  readonly hash: string
  readonly routes: number
}

/** Why a worker could not start. */
export interface Failure {
  readonly isConfig: boolean
  /** A text that can be printed as it is. */
  readonly text: string
}

/** What a worker sends. */
export type ToPrimary =
  | ({ readonly tell: 'listening' } & Listening)
  | ({ readonly tell: 'failed' } & Failure)
  | { readonly tell: 'answer'; readonly id: number; readonly answer: Answers[keyof Answers] | undefined }
  /** A part of the metrics, which are too many for one message; the answer brings the rest. */
  | { readonly tell: 'metrics'; readonly id: number; readonly metrics: readonly PackedFamily[] }
  | { readonly tell: 'look' }
  /** The worker is about to listen, and asks for what is revoked. From here on it hears of every change. */
  | { readonly tell: 'join' }
  | ({ readonly tell: 'revoked' } & ToldRevocation)
  /** It is answered by the news `ahead`, with the same number. */
  | ({ readonly tell: 'spent'; readonly id: number } & Spent)
  /** The worker has stopped listening. */
  | { readonly tell: 'closed' }
  /** The worker is about to end, and has told its metrics under the number {@link LAST_METRICS}. */
  | { readonly tell: 'lastMetrics' }
