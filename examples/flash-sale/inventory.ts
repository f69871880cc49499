/** Inventory: slow. */

import { setTimeout as pause } from 'node:timers/promises'
import { consume } from './consumer.ts'

await consume('inventory', async () => {
  await pause(1)
  return true
})
