/**
 * Reads which mount a file is on, as the kernel tells it of this process.
 *
 * proc_pid_mountinfo(5): a blank within a path is written `\040`.
 */

export interface Mount {
  /** Which part of its file system is mounted. */
  readonly root: string
  readonly point: string
  readonly type: string
}

/** @param text the content of `/proc/self/mountinfo` */
export function mountsIn(text: string): readonly Mount[] {
  return text.split('\n').flatMap(line => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, point] = before.split(' ')
    const [type] = after.split(' ')
    return root === undefined || point === undefined || type === undefined
      ? []
      : [{ root: plain(root), point: plain(point), type }]
  })
}

/** @returns the mount that a path is on; of several at one place, the last hides the others */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts
    .filter(({ point }) => point === '/' || path === point || path.startsWith(`${point}/`))
    .reduce<Mount | undefined>(
      (found, each) => (found === undefined || each.point.length >= found.point.length ? each : found),
      undefined,
    )
}

function plain(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
