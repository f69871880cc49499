/** Shipping: quick, but the sale's director kills it early and starts it again when the sale is over. */

import { consume } from './consumer.ts'

await consume('shipping', () => true)
