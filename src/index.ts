/**
 * The public door of the package `waybill`: what applications import. The broker itself is started by the `waybill` command.
 *
 * @example
 * ```ts
 * import { ERRORS, type ErrorCode } from 'waybill'
 *
 * const code: ErrorCode = 'STORAGE_FULL'
 * console.log(ERRORS[code].text, ERRORS[code].help)
 * ```
 */
export { ERRORS, WaybillError } from './base/errors.ts'
export type { Closes, ErrorCode, ErrorRow } from './base/errors.ts'
