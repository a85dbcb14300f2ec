/** A known way in which training goes wrong without an error. */
export interface Diagnosis {
  readonly name:
    | 'one-class-weighted'
    | 'dropout-too-high'
    | 'learning-rate-too-low'
    | 'learning-rate-too-high'
    | 'scale-too-small'
    | 'crowded-centroids'
    | 'margin-too-large'
    | 'collapsed'
    | 'guessing';
  /** A sentence for the user: what was seen, its cause, and what to try. */
  readonly message: string;
}
