/** A fault that somebody could make, and that a test has to see. */
export interface Fault {
  /** Lower case, with dashes: what `--only` takes. */
  readonly name: string;
  /** The kind of fault, as a user would meet it. */
  readonly what: string;
  /** From the repository's root. */
  readonly file: string;
  /** Stands exactly once in the file. In C++ an expression in which nothing is left to bind, or whole statements. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
  /** Run before all others: test files, below dist/test as Jest takes them, or below test/native without their ending. */
  readonly tests: readonly string[];
  /** Why no test can see it, where that is so. */
  readonly unseen?: string;
}

/** Rows of one file. */
export type FaultsOf = Omit<Fault, 'file'>;

export const inFile = (file: string, faults: readonly FaultsOf[]): Fault[] =>
  faults.map((fault) => ({ ...fault, file }));
