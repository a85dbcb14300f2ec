/** Petroff (2021, arXiv:2107.02270): ten colours that stay apart for colour-blind readers. */
const COLOURS = [
  '#3f90da',
  '#ffa90e',
  '#bd1f01',
  '#94a4a2',
  '#832db6',
  '#a96b59',
  '#e76300',
  '#b9ac70',
  '#717581',
  '#92dadd',
] as const;

/** Classes beyond the tenth begin again. */
export function classColour(label: number): string {
  return COLOURS[label % COLOURS.length]!;
}

/** How often the colours have been through when it is this class's turn. */
export function colourRound(label: number): number {
  return Math.floor(label / COLOURS.length);
}
