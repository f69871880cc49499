/** Payment where there is no Python: refuses a currency that it does not know. */

import { consume } from './consumer.ts'

await consume('payment', (order) => order.currency === 'IDR')
