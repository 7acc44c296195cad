/** Colours for a terminal. Who prints decides whether there are any; {@link plain} has none. */

export type Paint = (style: 'red' | 'green' | 'yellow' | 'bold' | 'dim', text: string) => string

export const plain: Paint = (_style, text) => text
