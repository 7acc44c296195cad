/** Cuts a value that is one column of several, so that a line of them fits a terminal. */

/** So long a value may be for a line to fit 80 columns. */
const LONGEST_VALUE = 24

export function shortened(value: string): string {
  const letters = [...value]
  return letters.length > LONGEST_VALUE ? `${letters.slice(0, LONGEST_VALUE - 1).join('')}…` : value
}
