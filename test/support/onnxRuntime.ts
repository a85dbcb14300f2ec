/**
 * onnxruntime in a process of its own: under Jest, whose arrays are of another realm than the addon's, it takes none of them.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

interface Request {
  readonly path: string;
  readonly input: {
    readonly name: string;
    readonly type: 'uint8' | 'float32';
    readonly data: Uint8Array | Float32Array;
    readonly shape: readonly number[];
  };
}

export interface OnnxOutput {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export class OnnxRuntime {
  readonly #child: ChildProcess = fork(__filename, { serialization: 'advanced' });

  /** Outputs by name. */
  async run(path: string, input: Request['input']): Promise<Record<string, OnnxOutput>> {
    this.#child.send({ path, input });
    const [answer] = (await once(this.#child, 'message')) as [Record<string, OnnxOutput> | { error: string }];
    if (typeof answer.error === 'string') throw new Error(answer.error);
    return answer as Record<string, OnnxOutput>;
  }

  close(): void {
    this.#child.disconnect();
  }
}

/** In the process of its own. */
async function serve(): Promise<void> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  process.on('message', async ({ path, input: { name, type, data, shape } }: Request) => {
    try {
      const session = await InferenceSession.create(path, { intraOpNumThreads: 1 });
      const outputs = await session.run({ [name]: new Tensor(type, data as never, shape) });
      await session.release();
      process.send!(
        Object.fromEntries(
          Object.entries(outputs).map(([key, { data, dims }]) => [key, { data, dims: [...dims] }]),
        ),
      );
    } catch (error) {
      process.send!({ error: String(error) });
    }
  });
}

if (require.main === module && process.send !== undefined) void serve();
