/** Gives a text the style of a terminal; where the output is no terminal, it returns the text as it is. */
export type Paint = (style: 'red' | 'green' | 'yellow' | 'bold' | 'dim', text: string) => string
