/** The errors that decoding and walking over field tables share: both find the same faults in the same bytes. */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'

export function unknownTag(code: number, offset: number): WaybillError {
  return new WaybillError('SYNTAX_ERROR', `unknown field type 0x${code.toString(16).padStart(2, '0')} at offset ${offset}`)
}

export function nestedTooDeep(): WaybillError {
  return new WaybillError('SYNTAX_ERROR', `a field table is nested deeper than ${LIMITS.headerNestingMax}`)
}

export function beyondContainer(offset: number): WaybillError {
  return new WaybillError('SYNTAX_ERROR', `a field at offset ${offset} ends beyond its container`)
}

export function tooManyEntries(): WaybillError {
  return new WaybillError('SYNTAX_ERROR', `a field table has more than ${LIMITS.headerEntriesMax} entries`)
}
