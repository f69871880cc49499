/**
 * Assertions: a bug meets one of these and stops the process. They are never caught to go on.
 * An operating error (bad input, full disk, closed socket) is a WaybillError instead (see errors.ts).
 */

/** Thrown by {@link assert}. Only a bug in Waybill itself produces it. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
}

/**
 * Stops when `condition` is false. The message is a constant string: nothing is formatted on the way when it holds.
 * @throws AssertionFailure when the condition does not hold
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message)
}
