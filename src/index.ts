/**
 * The public door of the package `waybill`: what applications import. It offers the coded errors, with what happened and what to do about
 * each; the broker itself is started by the `waybill` command.
 */
export { ERRORS, WaybillError } from './base/errors.ts'
export type { Closes, ErrorCode, ErrorRow } from './base/errors.ts'
