/** A word after `margincore`. */
export interface Command {
  /** One line for the overview */
  readonly summary: string;
  help(): string;
  /** @returns the exit status */
  run(argv: readonly string[]): Promise<number>;
}
