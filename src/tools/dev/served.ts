/** Counts what a gateway has let through and refused, from its own metrics. */
import type { Operations } from '../../run/operations.ts'
import { exposition, familiesOf } from '../../telemetry/metrics/exposition.ts'

interface Served {
  readonly passed: number
  readonly refused: number
}

export async function served({ metrics }: Pick<Operations, 'metrics'>): Promise<Served> {
  let [passed, refused] = [0, 0]
  for await (const text of exposition(familiesOf(metrics())))
    for (const [, labels = '', count = '0'] of text.matchAll(/^sallyport_requests_total\{([^}]*)\} (\d+)/gm))
      if (labels.includes('code="ok"')) passed += Number(count)
      else refused += Number(count)
  return { passed, refused }
}
