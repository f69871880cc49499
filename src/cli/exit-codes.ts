/**
 * How the program ends: the codes of sysexits.h, so that service managers and scripts can tell a mistake from bad luck.
 * docs/configuration.md lists them.
 */
import { ERRORS, WaybillError, type ErrorCode } from '../base/errors.ts'

/** Exit codes and what they mean. */
export const EXIT = {
  ok: 0,
  /** Something was done only in part: messages that were refused, returned or set aside. */
  incomplete: 1,
  usage: 64,
  badInput: 65,
  unavailable: 69,
  bug: 70,
  cannotCreate: 73,
  inputOutput: 74,
  temporary: 75,
  noPermission: 77,
  configuration: 78,
  /** Ended by SIGINT before the work was done. */
  interrupted: 130,
} as const

/** An exit code. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const CODES: Partial<Record<ErrorCode, ExitCode>> = {
  CONFIGURATION_INVALID: EXIT.configuration,
  SERVER_UNREACHABLE: EXIT.unavailable,
  NOT_FOUND: EXIT.unavailable,
  CONNECTION_FORCED: EXIT.unavailable,
  INPUT_INVALID: EXIT.badInput,
  OUTPUT_FAILED: EXIT.inputOutput,
  ADDRESS_IN_USE: EXIT.unavailable,
  ADDRESS_REFUSED: EXIT.unavailable,
  FOLDER_NOT_WRITABLE: EXIT.cannotCreate,
  STORAGE_FULL: EXIT.cannotCreate,
  STORAGE_LOCKED: EXIT.temporary,
  STORAGE_FAILED: EXIT.inputOutput,
  STORAGE_DAMAGED: EXIT.inputOutput,
  STORAGE_VERSION: EXIT.configuration,
  AUTHENTICATION_FAILED: EXIT.noPermission,
  ACCESS_REFUSED: EXIT.noPermission,
}

/** The exit code for an error. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof WaybillError)) return EXIT.bug
  return CODES[error.code] ?? (ERRORS[error.code].closes === 'server' ? EXIT.bug : EXIT.incomplete)
}

/**
 * What is written for an error: for an operating error one sentence per mistake, and what to do; for a bug the stack.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof WaybillError))
    return `waybill: a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`
  const lines = error.message.split('\n').map((line) => `waybill: ${line}`)
  const help = error.message.endsWith(error.help) ? '' : `${error.help}\n`
  return `${lines.join('\n')}${/[.?!]$/.test(error.message) ? '' : '.'}${lines.length === 1 ? ' ' : '\n'}${help}`
}
