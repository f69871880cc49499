/**
 * tx.select, commit, rollback and confirm.select [AMQP-0-9-1 1.9; confirms are RabbitMQ's]. A channel has either transactions or confirms.
 */
import { WaybillError } from '../../base/errors.ts'
import type { ChannelContext } from './channel-context.ts'
import type { MethodOf } from './methods.ts'

/** @throws PRECONDITION_FAILED on a channel with transactions */
export function selectConfirms(channel: ChannelContext, method: MethodOf<'confirm.select'>): void {
  if (channel.session.transactional) throw new WaybillError('PRECONDITION_FAILED', 'cannot switch from tx to confirm mode')
  channel.session.selectConfirms()
  if (!method.noWait) channel.reply('confirm.select-ok', {})
}

/** @throws PRECONDITION_FAILED on a channel with confirms */
export function selectTransaction(channel: ChannelContext): void {
  if (channel.session.confirming) throw new WaybillError('PRECONDITION_FAILED', 'cannot switch from confirm to tx mode')
  channel.session.selectTransaction()
  channel.reply('tx.select-ok', {})
}

/**
 * Commits; the answer comes when everything is on the disk, and what follows on the channel waits for it.
 * @param committed called when the transaction was carried out, before the answer
 * @throws PRECONDITION_FAILED on a channel without transactions
 */
export function commitTransaction(channel: ChannelContext, committed: () => void): void {
  if (!channel.session.transactional) throw notTransactional()
  channel.wait()
  channel.session.commit((error) => {
    if (!channel.usable) return
    if (error !== undefined) return channel.fault(error)
    committed()
    channel.reply('tx.commit-ok', {})
    channel.resume()
  })
}

/** @throws PRECONDITION_FAILED on a channel without transactions */
export function rollbackTransaction(channel: ChannelContext): void {
  if (!channel.session.transactional) throw notTransactional()
  channel.session.rollback()
  channel.reply('tx.rollback-ok', {})
}

function notTransactional(): WaybillError {
  return new WaybillError('PRECONDITION_FAILED', 'channel is not transactional')
}
