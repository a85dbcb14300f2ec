/** A run's options for TensorBoard's table of hyper-parameters, in which runs are compared. */
import { isRecord } from '../base/check.js';
import { Schema } from '../files/protobuf.js';
import { type Summary, text } from './summaries.js';

type Value = number | string | boolean;

/** As tags of scalars: what runs are compared by. */
const METRICS = ['test/accuracy', 'validation/accuracy', 'validation/loss', 'epoch/accuracy', 'epoch/loss'];

const TYPES = { number: 'DATA_TYPE_FLOAT64', string: 'DATA_TYPE_STRING', boolean: 'DATA_TYPE_BOOL' } as const;

/** The options as a text, and as the table has them. @param options Plain data @param started Seconds since 1970 */
export function optionSummaries(options: object, started: number): Summary[] {
  const values = valuesOf(options);
  return [
    text('options', ['```json', JSON.stringify(options, shortened, 1), '```'].join('\n')),
    hparams('_hparams_/experiment', {
      experiment: {
        hparamInfos: values.map(([name, value]) => ({
          name,
          type: TYPES[typeof value as keyof typeof TYPES],
        })),
        metricInfos: METRICS.map((tag) => ({ name: { tag } })),
      },
    }),
    hparams('_hparams_/session_start_info', {
      sessionStartInfo: {
        hparams: values.map(([key, value]) => ({
          key,
          value: { [`${typeof value}Value`.replace('boolean', 'bool')]: value },
        })),
        startTimeSecs: started,
      },
    }),
  ];
}

/** @param ended Seconds since 1970 */
export const endSummary = (ended: number, isWell: boolean): Summary =>
  hparams('_hparams_/session_end_info', {
    sessionEndInfo: { status: isWell ? 'STATUS_SUCCESS' : 'STATUS_FAILURE', endTimeSecs: ended },
  });

export type RunOutcome = 'ended' | 'failed';

/** What the plugin's content in a summary says of how the run ended; undefined where it says something else. Throws an Error for other bytes. */
export function outcomeOf(content: Uint8Array): RunOutcome | undefined {
  const { sessionEndInfo } = schema.decode('HParamsPluginData', content) as {
    sessionEndInfo?: { status?: string };
  };
  if (sessionEndInfo === undefined) return undefined;
  return sessionEndInfo.status === 'STATUS_SUCCESS' ? 'ended' : 'failed';
}

const schema = new Schema('tensorboard-hparams.proto', 'tensorboard.hparams');

const hparams = (tag: string, data: object): Summary => ({
  tag,
  metadata: {
    pluginData: {
      pluginName: 'hparams',
      content: schema.encode('HParamsPluginData', { version: 0, ...data }),
    },
    dataClass: 'DATA_CLASS_TENSOR',
  },
});

/** Parts of options under names with dots; a list, and the layers of a network, as the text of their JSON, cut off. */
function valuesOf(options: object, prefix = ''): [string, Value][] {
  return Object.entries(options).flatMap(([name, value]): [string, Value][] => {
    if (value === undefined || value === null || typeof value === 'function') return [];
    if ((typeof value) in TYPES) return [[prefix + name, value as Value]];
    if (isRecord(value) && name !== 'layers') return valuesOf(value, `${prefix}${name}.`);
    const json = JSON.stringify(value, shortened);
    return [[prefix + name, json.length > LONGEST ? `${json.slice(0, LONGEST)}…` : json]];
  });
}

const LONGEST = 200;
const MOST_NUMBERS = 100;

/** JSON has no typed arrays, no infinity and no functions; of very many numbers nobody reads all. */
function shortened(_key: string, value: unknown): unknown {
  if (typeof value === 'function') return '[function]';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (!ArrayBuffer.isView(value)) return value;
  const numbers = Array.from(value as Float32Array);
  return numbers.length > MOST_NUMBERS ? `[${numbers.length} numbers]` : numbers;
}
