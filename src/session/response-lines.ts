/** Adds lines to the answer to a request, whatever it will be. */
import type { RequestNotes } from '../types.ts'

/** @param lines flat names and values */
export function addLines(notes: RequestNotes, lines: readonly string[]): void {
  notes.responseLines = [...notes.responseLines, ...lines]
}
