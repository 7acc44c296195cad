/** Brings to one what readers that ignore letter case, or normalise Unicode, take for the same name. */
export function foldedName(name: string): string {
  return name.normalize('NFKC').toUpperCase().toLowerCase()
}
