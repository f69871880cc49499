/** Errors of a disk as operating errors: one sentence for people, a code for programs. */
import { WaybillError } from '../base/errors.ts'
import type { ErrorCode } from '../base/errors.ts'

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EACCES: 'FOLDER_NOT_WRITABLE',
  EPERM: 'FOLDER_NOT_WRITABLE',
  EROFS: 'FOLDER_NOT_WRITABLE',
  ENOTDIR: 'FOLDER_NOT_WRITABLE',
  EEXIST: 'FOLDER_NOT_WRITABLE',
}

/** Says in one sentence that something could not be done on the disk; what is no error of a disk is left as it is. */
export function diskError(what: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (error instanceof WaybillError || !(error instanceof Error) || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error
  return new WaybillError(CODES[code] ?? 'STORAGE_FAILED', `${what} failed: ${error.message}`, { cause: error })
}
