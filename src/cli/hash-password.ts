/**
 * `waybill hash-password`: the password comes from standard input, never from the arguments, which everybody on the machine can see.
 */
import { WaybillError } from '../base/errors.ts'
import { hashPassword } from '../base/password-hash.ts'
import { SystemRandom } from '../base/random.ts'
import { readLines } from './line-reader.ts'

/** Reads the first line and prints its hash. A terminal does not show what is typed. */
export async function printPasswordHash(): Promise<void> {
  const { stdin } = process
  const password = stdin.isTTY ? await readHidden('Password: ') : await readFirstLine()
  if (password === '') throw new WaybillError('INPUT_INVALID', 'expected a password on the first line of the input, found nothing')
  if (stdin.isTTY && (await readHidden('Again: ')) !== password) throw new WaybillError('INPUT_INVALID', 'the two passwords differ')
  process.stdout.write(`${await hashPassword(password, new SystemRandom())}\n`)
}

async function readFirstLine(): Promise<string> {
  for await (const { bytes } of readLines(process.stdin, 1024)) return bytes.toString()
  return ''
}

async function readHidden(prompt: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const { Writable } = await import('node:stream')
  process.stderr.write(prompt)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await reader.question('')
  } finally {
    reader.close()
    process.stderr.write('\n')
  }
}
