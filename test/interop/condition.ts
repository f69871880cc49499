import { setTimeout as pause } from 'node:timers/promises'

/** Waits until a condition holds; fails with what was waited for when it does not in time. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs: number = 20_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`)
    await pause(10)
  }
}
