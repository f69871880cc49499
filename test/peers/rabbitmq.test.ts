import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeerUnavailable } from './debian-package.ts'
import { startRabbitmq } from './rabbitmq.ts'

for (const version of ['3.10', '4.0'] as const) {
  test(`a private RabbitMQ ${version} starts, keeps its data over a restart and leaves no process behind`, async (t) => {
    const rabbit = await startRabbitmq({ version }).catch((error: unknown) => {
      if (error instanceof PeerUnavailable) return error
      throw error
    })
    if (rabbit instanceof PeerUnavailable) {
      t.skip(rabbit.message)
      return
    }
    try {
      assert.ok(rabbit.version.startsWith(version))
      const added = await rabbit.ctl('add_vhost', 'kept')
      assert.equal(added.code, 0, added.stderr)
      await rabbit.restart({ kill: true })
      const hosts = await rabbit.ctl('list_vhosts', '--silent')
      assert.match(hosts.stdout, /^kept$/m)
    } finally {
      const pids = rabbit.pids()
      await rabbit.stop()
      for (const pid of pids) assert.throws(() => process.kill(pid, 0), `process ${pid} has ended`)
    }
  })
}
