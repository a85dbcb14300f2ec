/**
 * onnxruntime in a process of its own: under Jest, whose arrays are of another realm than the addon's, it takes none of them.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export interface OnnxInput {
  readonly type: 'uint8' | 'float32';
  readonly data: Uint8Array | Float32Array;
  readonly shape: readonly number[];
}

interface Request {
  readonly path: string;
  readonly inputs: readonly OnnxInput[];
}

export interface OnnxOutput {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export class OnnxRuntime {
  readonly #child: ChildProcess = fork(__filename, { serialization: 'advanced' });

  /**
   * Outputs by name, for each of the images. Rejects where a shape that the file says is none that follows from its nodes:
   * without being asked, onnxruntime warns of that, and takes its own.
   */
  async run(path: string, inputs: readonly OnnxInput[]): Promise<Record<string, OnnxOutput>[]> {
    this.#child.send({ path, inputs });
    const [answer] = (await once(this.#child, 'message')) as [
      Record<string, OnnxOutput>[] | { error: string },
    ];
    if (!Array.isArray(answer)) throw new Error(answer.error);
    return answer;
  }

  close(): void {
    this.#child.disconnect();
  }
}

const STRICT = { session: { strict_shape_type_inference: '1' } };

/** In the process of its own. */
async function serve(): Promise<void> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  process.on('message', async ({ path, inputs }: Request) => {
    try {
      const session = await InferenceSession.create(path, { intraOpNumThreads: 1, extra: STRICT });
      const answers: Record<string, OnnxOutput>[] = [];
      for (const { type, data, shape } of inputs) {
        const outputs = await session.run({ images: new Tensor(type, data as never, shape) });
        answers.push(
          Object.fromEntries(
            Object.entries(outputs).map(([key, { data, dims }]) => [
              key,
              { data: data as Float32Array, dims: [...dims] },
            ]),
          ),
        );
      }
      await session.release();
      process.send!(answers);
    } catch (error) {
      process.send!({ error: String(error) });
    }
  });
}

if (require.main === module && process.send !== undefined) void serve();
