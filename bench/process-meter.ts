import { readFileSync, readdirSync, readlinkSync } from 'node:fs'

/** What Linux tells about a process. */
export interface ProcessReading {
  readonly residentBytes: number
  readonly residentPeakBytes: number
  /** User and system time of all its threads. */
  readonly processorMs: number
  /**
   * Bytes it wrote by system calls, to files and sockets alike. The kernel's other figure, `write_bytes`, counts whole folios made dirty,
   * which on a recent kernel may be a megabyte for a write of some kilobytes.
   */
  readonly writtenBytes: number
}

const CLOCK_TICK_MS = 10

const numberAfter = (text: string, label: string): number => {
  const match = new RegExp(`^${label}:\\s+(\\d+)`, 'm').exec(text)
  return match === null ? Number.NaN : Number(match[1])
}

/** Reads /proc of a process of this machine; undefined when it is gone or the system has no /proc. */
export const readProcess = (pid: number): ProcessReading | undefined => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may hold spaces; user and system time are the 12th and 13th after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      residentBytes: numberAfter(status, 'VmRSS') * 1024,
      residentPeakBytes: numberAfter(status, 'VmHWM') * 1024,
      processorMs: (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS,
      writtenBytes: numberAfter(readFileSync(`/proc/${pid}/io`, 'utf8'), 'wchar'),
    }
  } catch {
    return undefined
  }
}

const LISTENING = '0A'

const listeningInodes = (port: number): Set<string> => {
  const inodes = new Set<string>()
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let table: string
    try {
      table = readFileSync(path, 'utf8')
    } catch {
      continue
    }
    for (const line of table.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      const address = fields[1] ?? ''
      if (fields[3] === LISTENING && Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16) === port) inodes.add(fields[9] ?? '')
    }
  }
  return inodes
}

const holdsSocket = (pid: string, inodes: ReadonlySet<string>): boolean => {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))
      return match !== null && inodes.has(match[1] ?? '')
    })
  } catch {
    // The process ended while we looked, or a descriptor was closed: it is not the listener we look for.
    return false
  }
}

/** The process of this machine that listens on a TCP port; undefined when there is none or it is not ours to see. */
export const findListener = (port: number): number | undefined => {
  const inodes = listeningInodes(port)
  if (inodes.size === 0) return undefined
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holdsSocket(name, inodes))
  return pid === undefined ? undefined : Number(pid)
}

/** When a process was started, as milliseconds of the wall clock; good to a hundredth of a second. */
export const processStartedAtMs = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const startTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  const upSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  return Date.now() - (upSeconds * 1000 - startTicks * CLOCK_TICK_MS)
}
