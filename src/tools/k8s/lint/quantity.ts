/** Reads and writes amounts of memory as Kubernetes does: `192Mi`, `1Gi`, `256M`, `134217728`, `1e8`. */

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  ...{ k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
  m: 1e-3,
}

export const MIB = 2 ** 20

/** @returns undefined for what is no amount */
export function bytesIn(text: string | undefined): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d*)?(?:[eE]\d{1,2})?)([kMGTm]|[KMGT]i)?$/.exec(text ?? '') ?? []
  const factor = FACTORS[unit]
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}

export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MIB)}Mi`
}
