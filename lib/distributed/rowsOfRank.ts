/** Rows that one rank of so many has, as the core divides a batch: parts follow one another, and differ by one at most. */
export function rowsOfRank(rows: number, rank: number, size: number): { first: number; count: number } {
  const first = Math.floor((rows * rank) / size);
  return { first, count: Math.floor((rows * (rank + 1)) / size) - first };
}
