/**
 * Finds out whether a change of the configuration, and of the files that it names, would be noticed.
 *
 * A volume of Kubernetes that is mounted by `subPath` keeps the content of the moment when the pod started: the kubelet
 * writes each change into another folder, and the mount stays on the old one
 * (https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath). A single file that a container engine mounts
 * stays on its inode, so an editor that replaces the file changes nothing here.
 */
import { readFileSync, realpathSync, watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import type { Check, Examined } from './examined.ts'
import { finding, ok, type Verdict, warn } from './finding.ts'
import { type Mount, mountOf, mountsIn } from './mounts.ts'

export const watchCheck: Check = async examined =>
  watchedFiles(examined).map((file, index) =>
    finding('watch', index === 0 ? 'configuration' : file, verdictOn(file, mounts(examined))),
  )

/** The configuration first, then what else would be read anew. One file of a folder stands for all that are well. */
function watchedFiles({ file, files }: Examined): readonly string[] {
  const own = resolve(file)
  const named = files.filter(path => path !== own)
  const folders = new Map(named.map(path => [dirname(path), path]))
  folders.delete(dirname(own))
  return [own, ...folders.values()]
}

function mounts({ machine }: Examined): readonly Mount[] {
  try {
    return mountsIn(readFileSync(machine.mountsFile, 'utf8'))
  } catch {
    // Only Linux has this file.
    return []
  }
}

/** The kubelet writes each version of a ConfigMap or a Secret into a folder with the time in its name. */
const ONE_VERSION = /\/\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+(?:\/|$)|\/volume-subpaths\//
/** Changes that another machine makes are not announced on these. */
const REMOTE: ReadonlySet<string> = new Set(['nfs', 'nfs4', 'cifs', 'smb3', 'ceph', '9p', 'fuse.sshfs', 'fuse.s3fs'])
const STARTING = 'k8s/README.md#starting'

function verdictOn(file: string, all: readonly Mount[]): Verdict {
  const mount = mountOf(realOf(file), all)
  if (mount !== undefined && ONE_VERSION.test(mount.root))
    return warn(
      `${mount.point} is mounted by \`subPath\`, so it never changes while the pod runs`,
      'mount the whole volume as a folder, without `subPath`; until then, restart the pod after a change',
      STARTING,
    )
  if (mount !== undefined && mount.point === realOf(file))
    return warn(
      `${file} is mounted as a single file, so a file that replaces it is not seen`,
      'mount its folder in its place; until then, write into the file instead of replacing it',
      STARTING,
    )
  if (mount !== undefined && REMOTE.has(mount.type))
    return warn(
      `${mount.point} is on a network file system (${mount.type}), where changes are found within a minute`,
      'send SIGHUP after a change if a minute is too long',
      STARTING,
    )
  return heard(dirname(file))
}

/** Watches the folder for a moment, as the gateway does. */
function heard(folder: string): Verdict {
  try {
    watch(folder, { persistent: false }).close()
    return ok(`changes in ${folder} are noticed at once`)
  } catch (error) {
    const why = codeOf(error) === 'ENOSPC' ? 'there are no watches left (ENOSPC)' : fileFailureText(error)
    return warn(
      `${folder} cannot be watched: ${why}; changes are found within a minute`,
      'raise fs.inotify.max_user_watches and max_user_instances, or send SIGHUP after a change',
      STARTING,
    )
  }
}

function realOf(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return file
  }
}
