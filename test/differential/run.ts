import type { DifferentialCase } from './case-table.ts'
import { Script, type ServerAddress } from './script.ts'
import type { Transcript } from './transcript.ts'

/** Runs one case against a server. */
export async function runCase(chosen: DifferentialCase, address: ServerAddress): Promise<Transcript> {
  const script = new Script(address)
  try {
    await chosen.run(script)
  } catch (error) {
    script.note(`the case failed: ${(error as Error).message}`)
  }
  return await script.finish()
}

/** The parts of an AMQP address. */
export function addressOf(url: string): ServerAddress {
  const { hostname, port, username, password } = new URL(url)
  return {
    host: hostname,
    port: port === '' ? 5672 : Number(port),
    user: username === '' ? 'guest' : decodeURIComponent(username),
    password: password === '' ? 'guest' : decodeURIComponent(password),
  }
}
