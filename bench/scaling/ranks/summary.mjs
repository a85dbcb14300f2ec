// From the measurements to the rows of the tables.
import { spread } from '../../shared/statistics.mjs';
import { layoutName } from './plan.mjs';

const rateOf = ({ images, seconds }) => images / seconds;
const secondsOf = ({ seconds, steps }) => seconds / steps;
const sizeOf = ({ ranks, threads }) => `${ranks} × ${threads}`;

/** @param cores Of the machine: more processes cannot be faster */
export function summarize(measurements, cores) {
  const of = (id) => measurements.filter(({ work }) => work === id);
  return {
    networks: ['seed-cnn', 'resnet18'].map((id) => ({ id, ...networkTable(of(id), cores) })),
    head: { numClasses: of('head')[0]?.numClasses, rows: rowsOf(of('head')).map(headRow) },
  };
}

function networkTable(measurements, cores) {
  const groups = rowsOf(measurements);
  const ours = (starter, size) =>
    groups.find(
      (each) => each.contender === 'margincore' && each.starter === starter && sizeOf(each) === size,
    );
  return {
    rows: groups
      .map((group) => networkRow(group, groups, cores))
      .toSorted((a, b) => a.contender.localeCompare(b.contender)),
    processesOverThreads: ratioOf(ours('mpi', '2 × 1'), ours('alone', '1 × 2')),
  };
}

function networkRow(group, groups, cores) {
  const { contender, ranks, threads } = group;
  const used = Math.min(ranks * threads, cores);
  const rival = groups.find(
    (other) => contender === 'margincore' && other.contender === 'pytorch' && sizeOf(other) === sizeOf(group),
  );
  return {
    ...descriptionOf(group),
    rate: spread(group.counted.map(rateOf)),
    beyondCores: ranks * threads > cores,
    efficiency: ratioOf(group, baselineOf(contender, groups), (ratio) => ratio / used),
    ratio: ratioOf(group, rival),
  };
}

/** One process with one thread; of ours, one that is not distributed. */
const baselineOf = (contender, groups) =>
  groups.find(
    (each) =>
      each.contender === contender &&
      sizeOf(each) === '1 × 1' &&
      (contender === 'pytorch' || each.starter === 'alone'),
  );

function headRow(group) {
  const highest = (name) => Math.max(...group.all.map((each) => each[name]));
  return {
    ...descriptionOf(group),
    seconds: spread(group.counted.map(secondsOf)),
    peakTraining: highest('peakTraining'),
    peakEnd: highest('peakEnd'),
  };
}

const descriptionOf = ({ contender, ranks, threads, batch, name, isDisturbed }) => ({
  ...{ name, contender, ranks, threads, batch, disturbed: isDisturbed },
});

/** `counted`: the undisturbed ones, where there are any. */
function rowsOf(measurements) {
  const groups = new Map();
  for (const each of measurements) {
    const name = layoutName(each);
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  return [...groups].map(([name, all]) => {
    const undisturbed = all.filter(({ disturbed }) => !disturbed);
    const isDisturbed = undisturbed.length === 0;
    return { ...all[0], name, all, undisturbed, isDisturbed, counted: isDisturbed ? all : undisturbed };
  });
}

/**
 * Of images/s within a round, so that a slow phase of the machine weighs on both sides; none of what was disturbed. Undefined
 * where there is no round of both.
 */
function ratioOf(group, other, derived = (ratio) => ratio) {
  const ratios = (group?.undisturbed ?? []).flatMap((own) => {
    const beside = other?.undisturbed.find(({ round }) => round === own.round);
    return beside ? [derived(rateOf(own) / rateOf(beside))] : [];
  });
  return ratios.length > 0 ? spread(ratios) : undefined;
}
