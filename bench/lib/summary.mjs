import { contenders } from './contenders.mjs';
import { jobName, tables, targets } from './plan.mjs';
import { spread } from './statistics.mjs';

const [baseline] = contenders;

/** The measurements as tables of rows, one row per contender and variant. */
export function summarize(measurements) {
  return tables.map((table) => ({
    ...table,
    rows: markBest(rowsOf(table, measurements), table).map((row) => ({ ...row, ...targetOf(row, table) })),
  }));
}

function rowsOf(table, measurements) {
  const here = measurements.filter((one) => one.table === table.id);
  const ours = new Map(
    here.filter(({ contender }) => contender === baseline.name).map(({ round, value }) => [round, value]),
  );
  return Object.values(groupBy(here, jobName)).map((group) => {
    const { contender, variant } = group[0];
    const values = group.map(({ value }) => value);
    // Per round, so that a slow phase of the machine weighs on both sides of a ratio.
    const ratios = group
      .filter(({ round }) => ours.has(round))
      .map(({ round, value }) => ours.get(round) / value);
    const notes = new Set(group.map(({ note }) => note).filter(Boolean));
    return {
      contender,
      label: contenders.find(({ name }) => name === contender).label,
      ...(variant && { variant }),
      ...(group[0].batch && { batch: group[0].batch }),
      ...spread(values),
      values,
      ...(contender !== baseline.name &&
        ratios.length > 0 && { ratio: { ...spread(ratios), values: ratios } }),
      ...(notes.size > 0 && { note: [...notes].join('; ') }),
    };
  });
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

/** Of a contender's variants the one with the best median counts. */
function markBest(rows, { moreIsBetter }) {
  return rows.map((row) => {
    const rivals = rows.filter(({ contender }) => contender === row.contender).map(({ median }) => median);
    const best = row.median === (moreIsBetter ? Math.max(...rivals) : Math.min(...rivals));
    return { ...row, best };
  });
}

function targetOf({ contender, best, ratio }, table) {
  const target = targets.find((one) => one.table === table.id && one.contender === contender);
  if (!target || !best || !ratio) return {};
  const { atLeast, atMost } = target;
  const met = atLeast === undefined ? ratio.median <= atMost : ratio.median >= atLeast;
  return { target: { ...(atLeast === undefined ? { atMost } : { atLeast }), met } };
}
