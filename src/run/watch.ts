/**
 * Notices that files may have changed: edited in place, replaced by a rename, or behind a link that was swapped.
 *
 * It watches folders and not files, because a rename brings a new file to an old name, and because Kubernetes swaps the
 * link `..data` beside the files it projects. For a file behind a link it watches the real folder as well. Some changes
 * cannot be heard: a link to a whole folder that is swapped, a network file system, inotify without a watch left. So
 * files are looked at every 60 s, too.
 *
 * It does not read files. Whoever is told decides whether anything has changed.
 */
import { type FSWatcher, realpathSync, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'

interface FileWatchOptions {
  /** Absolute paths. They are asked for at each change, since a change may name other files. */
  readonly files: () => Iterable<string>
  /** Called when nothing has changed for a moment after a change, and every 60 s. */
  readonly onChange: () => void
  /** Called once for each folder that cannot be watched; its files are still looked at every 60 s. */
  readonly onUnwatchable: (folder: string, reason: string) => void
  readonly scheduler: Scheduler
}

interface FileWatch {
  /** Watches the folders of the files as they are now. */
  follow(): void
  close(): void
}

const POLL_MS = 60_000
/** A file that is written in several steps is read after the last of them. */
const QUIET_MS = 100
/** A folder that never gets quiet is looked at after this time. */
const LONGEST_WAIT_MS = 500

interface WatchedFolder {
  readonly watcher: FSWatcher
  /** The inode of the folder: a folder that was replaced has another, and its old watch hears nothing any more. */
  readonly identity: string
}

/** Call {@link FileWatch.follow} to begin. */
export function fileWatch({ files, onChange, onUnwatchable, scheduler }: FileWatchOptions): FileWatch {
  const folders = new Map<string, WatchedFolder>()
  const unwatchable = new Set<string>()
  let isClosed = false
  let cancelPoll: Cancel = () => {}
  let cancelQuiet: Cancel = () => {}
  let cancelLongest: Cancel | undefined

  const tell = (): void => {
    cancelQuiet()
    cancelLongest?.()
    cancelLongest = undefined
    follow()
    onChange()
  }
  const stirred = (): void => {
    if (isClosed) return
    cancelQuiet()
    cancelQuiet = scheduler.after(QUIET_MS, tell)
    cancelLongest ??= scheduler.after(LONGEST_WAIT_MS, tell)
  }
  const poll = (): void => {
    cancelPoll = scheduler.after(POLL_MS, () => {
      poll()
      tell()
    })
  }
  poll()

  function follow(): void {
    if (isClosed) return
    const wanted = new Map([...foldersOf(files())].map(folder => [folder, identityOf(folder)] as const))
    for (const [folder, { watcher, identity }] of folders) {
      if (wanted.get(folder) === identity) continue
      watcher.close()
      folders.delete(folder)
    }
    for (const [folder, identity] of wanted) {
      if (identity !== undefined && !folders.has(folder)) begin(folder, identity)
    }
  }

  function begin(folder: string, identity: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, stirred)
      watcher.on('error', error => giveUp(folder, error))
      folders.set(folder, { watcher, identity })
      unwatchable.delete(folder)
      // Nobody heard what happened here before the watch began.
      stirred()
    } catch (error) {
      giveUp(folder, error)
    }
  }

  function giveUp(folder: string, error: unknown): void {
    folders.get(folder)?.watcher.close()
    folders.delete(folder)
    if (unwatchable.has(folder)) return
    unwatchable.add(folder)
    onUnwatchable(folder, error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason')
  }

  return {
    follow,
    close() {
      isClosed = true
      cancelPoll()
      cancelQuiet()
      cancelLongest?.()
      for (const { watcher } of folders.values()) watcher.close()
      folders.clear()
    },
  }
}

function foldersOf(files: Iterable<string>): ReadonlySet<string> {
  const folders = new Set<string>()
  for (const file of files) {
    folders.add(nearestFolder(dirname(file)))
    try {
      folders.add(dirname(realpathSync(file)))
    } catch {
      // It is not there now, and the watch of its folder tells when it comes.
    }
  }
  return folders
}

/** A folder that is not there yet will appear in the one above it. */
function nearestFolder(folder: string): string {
  const above = dirname(folder)
  return identityOf(folder) !== undefined || above === folder ? folder : nearestFolder(above)
}

/** Undefined when there is no such folder, or none that we may look into. */
function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(folder)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
