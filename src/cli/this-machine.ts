/** Tells the commands that look at the machine they run on where its facts are, and which it has. */
import { networkInterfaces } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { descriptorLimit } from '../run/descriptors.ts'
import type { Machine } from '../tools/doctor/examined.ts'

export function thisMachine(): Machine {
  return {
    mountsFile: '/proc/self/mountinfo',
    groupsFile: '/proc/self/cgroup',
    groupsFolder: '/sys/fs/cgroup',
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    descriptors: descriptorLimit(),
    addresses: Object.values(networkInterfaces())
      .flatMap(each => each ?? [])
      // An address of the link has no meaning without its interface.
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
      .map(({ address }) => address),
  }
}
