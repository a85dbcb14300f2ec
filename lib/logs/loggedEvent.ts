/** An event as a file of TensorBoard's has it, whoever wrote it, as far as numbers of runs are read from it. */
import { outcomeOf, type RunOutcome } from './hparams.js';
import { decodeEvent } from './summaries.js';

export interface LoggedEvent {
  /** Seconds since 1970 */
  readonly wallTime: number;
  readonly step: number;
  /** Of a run that begins here, or goes on here after it was stopped: what there is of this step and later ones is void. */
  readonly isStart: boolean;
  readonly scalars: readonly (readonly [tag: string, value: number])[];
  readonly histograms: readonly (readonly [tag: string, histogram: LoggedHistogram])[];
  /** Of a run whose end this is. */
  readonly outcome?: RunOutcome;
}

/** Each bucket reaches from the limit before it, the first from `min`, to its own, the last to `max` at most. */
export interface LoggedHistogram {
  readonly min: number;
  readonly max: number;
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** Throws an Error for bytes that are no event. */
export function loggedEvent(bytes: Uint8Array): LoggedEvent {
  const { wallTime = 0, step = 0, summary, sessionLog } = decodeEvent(bytes) as EventMessage;
  const values = summary?.value ?? [];
  const outcome = values.map(outcomeIn).find((each) => each !== undefined);
  return {
    ...{ wallTime, step, isStart: sessionLog?.status === 'START' },
    scalars: values.flatMap((each) => named(each.tag, scalarIn(each))),
    histograms: values.flatMap((each) => named(each.tag, histogramIn(each))),
    ...(outcome && { outcome }),
  };
}

const named = <T>(tag: string | undefined, value: T | undefined): (readonly [string, T])[] =>
  tag === undefined || value === undefined ? [] : [[tag, value]];

interface EventMessage {
  readonly wallTime?: number;
  readonly step?: number;
  readonly summary?: { readonly value?: readonly ValueMessage[] };
  readonly sessionLog?: { readonly status?: string };
}

interface ValueMessage {
  readonly tag?: string;
  readonly metadata?: {
    readonly pluginData?: { readonly pluginName?: string; readonly content?: Uint8Array };
  };
  readonly simpleValue?: number;
  readonly histo?: {
    readonly min?: number;
    readonly max?: number;
    readonly bucketLimit?: readonly number[];
    readonly bucket?: readonly number[];
  };
  readonly tensor?: TensorMessage;
}

interface TensorMessage {
  readonly dtype?: string;
  readonly tensorContent?: Uint8Array;
  readonly floatVal?: readonly number[];
  readonly doubleVal?: readonly number[];
}

function outcomeIn({ metadata }: ValueMessage): RunOutcome | undefined {
  const { pluginName, content } = metadata?.pluginData ?? {};
  return pluginName === 'hparams' && content !== undefined ? outcomeOf(content) : undefined;
}

/** Newer writers have scalars as tensors. Only the first event of a tag says so: a single float of a later one is taken for a scalar, too. */
function scalarIn({ simpleValue, tensor, metadata }: ValueMessage): number | undefined {
  if (simpleValue !== undefined) return simpleValue;
  const plugin = metadata?.pluginData?.pluginName ?? 'scalars';
  return tensor === undefined || plugin !== 'scalars' ? undefined : onlyNumber(tensor);
}

function onlyNumber({ dtype, tensorContent, floatVal, doubleVal }: TensorMessage): number | undefined {
  const values = dtype === 'DT_DOUBLE' ? doubleVal : floatVal;
  if (values?.length === 1) return values[0];
  const content = tensorContent && Buffer.from(tensorContent);
  if (dtype === 'DT_FLOAT' && content?.length === 4) return content.readFloatLE();
  return dtype === 'DT_DOUBLE' && content?.length === 8 ? content.readDoubleLE() : undefined;
}

function histogramIn({ histo }: ValueMessage): LoggedHistogram | undefined {
  if (histo === undefined) return undefined;
  const { min = 0, max = 0, bucketLimit: limits = [], bucket: counts = [] } = histo;
  return limits.length === counts.length ? { min, max, limits, counts } : undefined;
}
