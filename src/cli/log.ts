/**
 * The log of a server, on standard error: JSON lines (pino's), or lines for people made from them.
 */
import { pino, type Logger } from 'pino'

/** Where lines go. */
export interface LogTarget {
  write(text: string): void
}

/** Makes the log. Lines are written at once, so that none is missing when the process ends. */
export function createLog(level: string, format: 'text' | 'json', target: LogTarget): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, format === 'json' ? target : { write: (line: string) => target.write(formatLine(line)) })
}

/** `{"level":"info","time":"...","msg":"...","port":1}` -> `2026-03-16T16:30:00.000Z info  ... port=1` */
export function formatLine(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`,
  )
  const stack = isStack(err) ? `\n${err.stack}` : ''
  // A name that a peer chose must not forge a line or steer a terminal.
  const text = `${String(time)} ${String(level).padEnd(5)} ${String(msg)}${rest.join('')}`.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `${text}${stack}\n`
}

function isStack(value: unknown): value is { stack: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string'
}
