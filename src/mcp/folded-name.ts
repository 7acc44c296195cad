/** Makes one text of all names that a reader cannot tell apart who ignores letter case or normalises Unicode. */
export function foldedName(name: string): string {
  return name.normalize('NFKC').toLowerCase().toUpperCase()
}
