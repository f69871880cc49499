import { createServer } from 'node:net'

/** Ports of the loopback interface that nobody listens on at the moment. */
export async function sparePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  try {
    return await Promise.all(
      servers.map(
        async (server) =>
          await new Promise<number>((resolve, reject) => {
            server.once('error', reject)
            server.listen({ host: '127.0.0.1', port: 0 }, () => {
              const address = server.address()
              if (address === null || typeof address === 'string') reject(new Error('the listener has no port'))
              else resolve(address.port)
            })
          }),
      ),
    )
  } finally {
    for (const server of servers) server.close()
  }
}

/** One port of the loopback interface that nobody listens on at the moment. */
export async function sparePort(): Promise<number> {
  const [port] = await sparePorts(1)
  if (port === undefined) throw new Error('no spare port')
  return port
}
