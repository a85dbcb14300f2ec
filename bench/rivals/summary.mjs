import { contenders } from '../shared/contenders.mjs';
import { spread } from '../shared/statistics.mjs';
import { DISTURBED_ABOVE } from '../shared/undisturbed.mjs';
import { tables } from '../shared/works.mjs';
import { jobName } from './plan.mjs';

const [baseline] = contenders;

/** The measurements as tables of rows, one row per contender and variant. */
export function summarize(measurements) {
  return tables.map(({ targets, ...table }) => ({
    ...table,
    rows: markBest(rowsOf(table, measurements), table).map((row) => ({ ...row, ...targetOf(row, targets) })),
  }));
}

export const isDisturbed = ({ table, foreignLoad }) =>
  tables.find(({ id }) => id === table).timed && foreignLoad > DISTURBED_ABOVE;

function rowsOf({ id }, measurements) {
  const here = measurements.filter(({ table }) => table === id);
  const ours = here.filter(({ contender }) => contender === baseline.name);
  return Object.values(groupBy(here, jobName)).map((group) => {
    const { contender, variant, tuned, batch, note } = group[0];
    const undisturbed = group.filter((one) => !isDisturbed(one));
    const values = (undisturbed.length > 0 ? undisturbed : group).map(({ value }) => value);
    const ratios = contender === baseline.name ? [] : ratiosPerRound(ours, undisturbed);
    return {
      contender,
      label: contenders.find(({ name }) => name === contender).label,
      variant,
      tuned,
      batch,
      note,
      ...spread(values),
      values,
      disturbed: undisturbed.length === 0,
      ...(ratios.length > 0 && { ratio: { ...spread(ratios), values: ratios } }),
    };
  });
}

/** Within a round, so that a slow phase of the machine weighs on both sides of a ratio. */
function ratiosPerRound(ours, theirs) {
  const counted = new Map(ours.filter((one) => !isDisturbed(one)).map(({ round, value }) => [round, value]));
  return theirs
    .filter(({ round }) => counted.has(round))
    .map(({ round, value }) => counted.get(round) / value);
}

/** Object.groupBy is not yet in Node 20. */
function groupBy(items, keyOf) {
  const groups = {};
  for (const item of items) {
    groups[keyOf(item)] ??= [];
    groups[keyOf(item)].push(item);
  }
  return groups;
}

/** Of a contender's variants as installed the one with the best median counts; a disturbed one only where all are. */
function markBest(rows, { moreIsBetter }) {
  return rows.map((row) => {
    const own = rows.filter(({ contender, tuned }) => contender === row.contender && !tuned);
    const undisturbed = own.filter(({ disturbed }) => !disturbed);
    const rivals = (undisturbed.length > 0 ? undisturbed : own).map(({ median }) => median);
    const best = !row.tuned && row.median === (moreIsBetter ? Math.max(...rivals) : Math.min(...rivals));
    return { ...row, best };
  });
}

function targetOf({ contender, best, ratio }, targets) {
  const target = targets[contender];
  if (!target || !best || !ratio) return {};
  const { atLeast, atMost } = target;
  const met = atLeast === undefined ? ratio.median <= atMost : ratio.median >= atLeast;
  return { target: { ...(atLeast === undefined ? { atMost } : { atLeast }), met } };
}
