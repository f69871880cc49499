/** The lock of a data folder, with real processes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WaybillError } from '../../src/base/errors.ts'
import { FileDisk } from '../../src/storage/file-disk.ts'

const DISK = new URL('../../src/storage/file-disk.ts', import.meta.url).href

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-lock-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A process that holds the lock of a folder until it is ended. */
async function holder(folder: string): Promise<ChildProcess> {
  const program = `
    const { FileDisk } = await import(${JSON.stringify(DISK)})
    await new FileDisk(${JSON.stringify(folder)}).lock()
    process.stdout.write('locked')
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  assert.equal(output.toString(), 'locked')
  return child
}

function isLockedBy(text: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof WaybillError && error.code === 'STORAGE_LOCKED' && text.test(error.message)
}

test('a folder in use by another process is refused, naming the process', () =>
  withFolder(async (folder) => {
    const child = await holder(folder)
    try {
      await assert.rejects(new FileDisk(folder).lock(), isLockedBy(new RegExp(`process ${child.pid}\\b`)))
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }))

test('a process that is killed leaves no lock behind', () =>
  withFolder(async (folder) => {
    const child = await holder(folder)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const disk = new FileDisk(folder)
    await disk.lock()
    await disk.unlock()
  }))

test('a note of a former holder whose process number is in use again does not keep anybody out', () =>
  withFolder(async (folder) => {
    const child = await holder(folder)
    child.kill('SIGKILL')
    await once(child, 'exit')
    // This very process lives, and the note names it.
    await writeFile(join(folder, 'lock-holder'), `process ${process.pid}\n`)
    const disk = new FileDisk(folder)
    await disk.lock()
    await assert.rejects(new FileDisk(folder).lock(), isLockedBy(/process/))
    await disk.unlock()
  }))

test('the lock is free again when it is given up, and its holder can take it once only', () =>
  withFolder(async (folder) => {
    const first = new FileDisk(folder)
    await first.lock()
    await assert.rejects(new FileDisk(folder).lock(), isLockedBy(/process/))
    assert.equal(await readFile(join(folder, 'lock-holder'), 'utf8'), `process ${process.pid}\n`)
    await first.unlock()
    const second = new FileDisk(folder)
    await second.lock()
    await second.unlock()
  }))
