/** A graph under construction: nodes in their order, each value with a name of its own. */
import type { Attributes, OnnxNode, OnnxTensor } from './schema.js';

export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #taken = new Set<string>();

  /** Adds a node with one output; returns the name of that. @param name Of the node; its output is called the same */
  add(opType: string, name: string, input: readonly string[], attributes: Attributes = {}): string {
    const output = this.unique(name);
    this.nodes.push({ name: output, opType, input, output: [output], attributes });
    return output;
  }

  /** Adds numbers that are here already. */
  floats(name: string, shape: readonly number[], data: ArrayLike<number>): string {
    return this.tensor(name, shape, async () => [Float32Array.from(data)]);
  }

  tensor(name: string, shape: readonly number[], values: OnnxTensor['values']): string {
    const unique = this.unique(name);
    this.initializers.push({ name: unique, shape, values });
    return unique;
  }

  /** Keeps a name for the ends of the graph. */
  reserve(name: string): void {
    this.#taken.add(name);
  }

  /** Gives a value a name that was reserved: an output of the graph. */
  name(value: string, reserved: string): void {
    this.nodes.push({
      name: reserved,
      opType: 'Identity',
      input: [value],
      output: [reserved],
      attributes: {},
    });
  }

  /** Names of layers are the user's, and may be any. */
  private unique(name: string): string {
    let candidate = name;
    for (let number = 2; this.#taken.has(candidate); number++) candidate = `${name}_${number}`;
    this.#taken.add(candidate);
    return candidate;
  }
}
