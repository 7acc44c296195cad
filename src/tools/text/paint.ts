/** Gives a text a style of the terminal that it is printed on, or none where nobody would see it. */
export type Paint = (style: 'red' | 'green' | 'yellow' | 'bold' | 'dim', text: string) => string
