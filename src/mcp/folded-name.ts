/**
 * Makes one text of all names that a reader cannot tell apart who ignores letter case, normalises Unicode, or drops
 * what is not shown (soft hyphens, joiners and the like).
 */
export function foldedName(name: string): string {
  return name.normalize('NFKC').replace(NOT_SHOWN, '').toLowerCase().toUpperCase()
}

const NOT_SHOWN = /\p{Default_Ignorable_Code_Point}/gu
