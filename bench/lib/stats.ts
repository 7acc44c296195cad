/** Gives the median and the spread of a few samples: a shared machine's numbers can honestly be reduced to no more. */

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly samples: number
}

export function summary(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
    samples: sorted.length,
  }
}

/** Divides sample by sample, because samples of one round share the machine's mood. */
export function ratios(values: readonly number[], base: readonly number[]): Summary | undefined {
  const pairs = values.flatMap((value, round) => {
    const divisor = base[round]
    return divisor === undefined || divisor === 0 ? [] : [value / divisor]
  })
  return pairs.length === 0 ? undefined : summary(pairs)
}

/** @returns a text such as `12.3 (11.0–14.2)` */
export function spread({ median, min, max, samples }: Summary, digits = 1): string {
  const text = (value: number): string => value.toFixed(digits)
  return samples < 2 ? text(median) : `${text(median)} (${text(min)}–${text(max)})`
}
