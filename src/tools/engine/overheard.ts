/**
 * Listens to what introspection endpoints say about tokens, so that a tool can show it, whatever is made of it.
 *
 * Questions are asked as the gateway asks them. Nothing is changed or kept here.
 */
import type { ActiveAnswer, IntrospectionAnswer, Introspector } from '../../authenticate/introspection/answer.ts'
import type { IntrospectorRegistry } from '../../authenticate/introspection/registry.ts'
import { Denial } from '../../errors.ts'
import { andThen } from '../../lib/maybe-promise.ts'

/** @param onAnswer hears each answer, in the order in which they come */
export function overheard(
  introspectors: IntrospectorRegistry,
  onAnswer: (answer: IntrospectionAnswer) => void,
): IntrospectorRegistry {
  return {
    acquire(definition, signed) {
      const lease = introspectors.acquire(definition, signed)
      return { ...lease, value: listenedTo(lease.value, onAnswer) }
    },
    close: () => introspectors.close(),
  }
}

function listenedTo(introspector: Introspector, onAnswer: (answer: IntrospectionAnswer) => void): Introspector {
  const heard = (answer: ActiveAnswer): ActiveAnswer => {
    onAnswer({ active: true, claims: answer.claims })
    return answer
  }
  const refused = (error: unknown): never => {
    if (error instanceof Denial && error.code === 'token_inactive') onAnswer({ active: false })
    throw error
  }
  return {
    about(token) {
      try {
        const answer = andThen(introspector.about(token), heard)
        return answer instanceof Promise ? answer.catch(refused) : answer
      } catch (error) {
        return refused(error)
      }
    },
    stillHolds: answer => introspector.stillHolds(answer),
    tenureOf: (answer, isGood) => introspector.tenureOf(answer, isGood),
    status: () => introspector.status(),
    ready: () => introspector.ready(),
    retire: () => introspector.retire(),
    close: () => introspector.close(),
  }
}
