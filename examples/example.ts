/** What an example is given. */
export interface ExampleOptions {
  /** The AMQP address of the broker. */
  readonly url: string
  readonly orderCount: number
}

/** An example: resolves with true if everything that it promises was seen to hold. */
export type Example = (options: ExampleOptions) => Promise<boolean>
