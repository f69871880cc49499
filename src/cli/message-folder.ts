/**
 * Messages as files of a folder: `000001.json` (or .txt, .bin) with the body as it is, `000001.properties.json` beside it. Numbers go on after
 * the highest one that is there; nothing is ever overwritten, and a file has its name only once it is whole and on the disk.
 */
import { isUtf8 } from 'node:buffer'
import { link, mkdir, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConsumeMessage } from 'amqplib'
import { WaybillError } from '../base/errors.ts'
import { isJson, propertiesOf } from './message-format.ts'

/** See the head of this file. */
export class MessageFolder {
  readonly #path: string
  #next: number

  private constructor(path: string, next: number) {
    this.#path = path
    this.#next = next
  }

  /** @throws OUTPUT_FAILED when the folder cannot be made or read */
  static async open(path: string): Promise<MessageFolder> {
    try {
      await mkdir(path, { recursive: true })
      const numbers = (await readdir(path)).map((name) => Number(/^(\d+)\./.exec(name)?.[1] ?? 0))
      return new MessageFolder(path, numbers.reduce((most, number) => Math.max(most, number), 0) + 1)
    } catch (error) {
      throw failed(path, error)
    }
  }

  /** Writes one message; resolves when it is on the disk. @throws OUTPUT_FAILED */
  async add(message: ConsumeMessage): Promise<void> {
    const { exchange, routingKey, redelivered } = message.fields
    const facts = { exchange, routingKey, redelivered, properties: propertiesOf(message) }
    const extension = isJson(message) ? 'json' : isUtf8(message.content) ? 'txt' : 'bin'
    const name = String(this.#next++).padStart(6, '0')
    try {
      await this.#write(`${name}.properties.json`, Buffer.from(`${JSON.stringify(facts, undefined, 2)}\n`))
      await this.#write(`${name}.${extension}`, message.content)
    } catch (error) {
      throw failed(join(this.#path, name), error)
    }
  }

  async #write(name: string, bytes: Buffer): Promise<void> {
    const path = join(this.#path, name)
    const unfinished = `${path}.${process.pid}.unfinished`
    const file = await open(unfinished, 'wx')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    // A link fails where a name is taken; a rename would overwrite.
    await link(unfinished, path)
    await unlink(unfinished)
  }
}

function failed(path: string, error: unknown): WaybillError {
  return new WaybillError('OUTPUT_FAILED', `${path} cannot be written: ${(error as Error).message}`, { cause: error })
}
