import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readLines } from './line-reader.ts'

async function linesOf(chunks: readonly Buffer[], sizeBytesMax = 1_000): Promise<{ number: number; text: string; tooLong: boolean }[]> {
  const lines = []
  async function* source(): AsyncGenerator<Buffer> {
    yield* chunks
  }
  for await (const { number, bytes, tooLong } of readLines(source(), sizeBytesMax)) lines.push({ number, text: bytes.toString(), tooLong })
  return lines
}

test('lines are the same however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom('a', '\n', 'é', '\r\n'), maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      async (text, step) => {
        const bytes = Buffer.from(text)
        const chunks: Buffer[] = []
        for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step))
        const expected = text.split('\n').map((line) => line.replace(/\r$/, ''))
        if (text === '' || text.endsWith('\n')) expected.pop()
        assert.deepEqual(
          (await linesOf(chunks)).map((line) => line.text),
          expected,
        )
      },
    ),
  )
})

test('a line above the limit is told as such, and the next one is read', async () => {
  const lines = await linesOf([Buffer.from(`short\n${'x'.repeat(8)}`), Buffer.from(`${'x'.repeat(8)}\nnext`)], 10)
  assert.deepEqual(lines, [
    { number: 1, text: 'short', tooLong: false },
    { number: 2, text: '', tooLong: true },
    { number: 3, text: 'next', tooLong: false },
  ])
})
