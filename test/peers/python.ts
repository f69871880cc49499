/** A Python that has the AMQP client pika. */

import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerUnavailable, cacheFolder, ensureDebianPackages, exists, hasProgram, runProgram, withLock } from './debian-package.ts'

/**
 * The path of a Python interpreter that can import pika: the newest pika from PyPI in a virtual environment of the cache folder,
 * else the one of Debian's package `python3-pika`.
 * @throws PeerUnavailable if neither can be had.
 */
export async function pythonWithPika(): Promise<string> {
  const fromPyPi = await virtualEnvironment().catch(() => undefined)
  if (fromPyPi !== undefined) return fromPyPi
  const debian = '/usr/bin/python3'
  if (!(await canImport(debian))) await ensureDebianPackages('python3-pika')
  if (await canImport(debian)) return debian
  throw new PeerUnavailable('pika: neither PyPI nor the package python3-pika gave it')
}

async function virtualEnvironment(): Promise<string | undefined> {
  const folder = join(cacheFolder(), 'python-pika')
  const python = join(folder, 'bin', 'python')
  if (await canImport(python)) return python
  if (!(await hasProgram('python3'))) return undefined
  return await withLock('python-pika', async () => {
    if (await canImport(python)) return python
    await mkdir(cacheFolder(), { recursive: true })
    await rm(folder, { recursive: true, force: true })
    const made = await runProgram('python3', ['-m', 'venv', folder], { timeoutMs: 120_000 })
    if (made.code !== 0) return undefined
    const installed = await runProgram(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'pika'], {
      timeoutMs: 120_000,
    })
    if (installed.code === 0 && (await canImport(python))) return python
    await rename(folder, `${folder}.failed`).catch(() => undefined)
    return undefined
  })
}

async function canImport(python: string): Promise<boolean> {
  return (await exists(python)) && (await runProgram(python, ['-c', 'import pika'])).code === 0
}
