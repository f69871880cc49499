/**
 * Where a message goes: filled by an exchange, read by whoever publishes, used again for the next message.
 */

/** What a route can end at or pass through. */
export interface RouteTarget {
  /** Owned by routing: the number of the last route that came by. Starts at 0. */
  routeMark: number
}

/** Numbers every route of the process, so that targets may be shared by any number of results. */
let lastRoute = 0

/** The targets of one route, each once. */
export class RouteResult<Q extends RouteTarget> {
  /** The first {@link count} elements are the targets; what stands behind them is left from earlier routes. */
  readonly targets: Q[] = []
  count = 0
  /** True if another message with the same exchange and routing key has the same targets until a binding changes. */
  cacheable = true
  #route = 0

  /** Starts a route and returns its number. */
  begin(): number {
    this.count = 0
    this.cacheable = true
    this.#route = ++lastRoute
    return this.#route
  }

  /** Adds `target` unless this route has it already. */
  add(target: Q): void {
    if (target.routeMark === this.#route) return
    target.routeMark = this.#route
    this.targets[this.count++] = target
  }

  /** Lets go of all targets, so that none that was deleted is kept in memory. */
  clear(): void {
    this.count = 0
    this.targets.length = 0
  }
}
