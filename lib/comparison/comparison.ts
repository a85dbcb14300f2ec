/** What a comparison comes to: its rows, and how they were found. */
import type { Analysis } from '../experiments/analysis.js';
import type { RecipeResult, RecipeResultRow } from '../experiments/runRecipe.js';
import type { GridRow } from './grid.js';
import type { PairedTest } from './pairedTest.js';
import type { SearchDecision } from './search.js';

/** Beside plain softmax with the same network, by accuracy. */
export interface AgainstSoftmax extends PairedTest {
  /** Corrected by Holm's method for as many rows as are compared. */
  readonly pCorrected: number;
}

export interface ComparisonRow extends RecipeResultRow {
  readonly key: GridRow['key'];
  /** Of rows of which two or more seeds ended, where there is a row of plain softmax of which they ended, too. */
  readonly againstSoftmax?: AgainstSoftmax;
  /** Of the first seed, for pictures; where it did not diverge. */
  readonly analysis?: Analysis;
}

/** What `compare()` resolves to: a row for each head, network and setting, over all seeds. */
export interface Comparison extends RecipeResult {
  readonly rows: readonly ComparisonRow[];
  /** How the rows were found, with `search`: all candidates, round by round. */
  readonly search?: readonly SearchDecision[];
}
