/** Classes that a rank keeps. */
export const ownClasses = ({ classes, ranks }) => classes / ranks;

/**
 * Of these, how many it computes with in a step, at most all. A rank's share of the batch's targets is as many as the rows of one rank.
 * - `slots: 'drawn'`: targets are among those that are drawn, of which there are as many at least. This is how it is done.
 * - 'expected': those that are drawn, and the targets beside them.
 * - 'all': beside them room for the targets of the whole batch, which never overflows, whichever classes a batch has.
 */
export function columnsOf(setting) {
  const { share, rows, ranks, slots = 'drawn' } = setting;
  const own = ownClasses(setting);
  const drawn = share * own;
  const targets = rows / ranks;
  const columns = { drawn: Math.max(drawn, targets), expected: drawn + targets, all: drawn + rows };
  return Math.min(own, columns[slots]);
}

export const isSampled = (setting) => columnsOf(setting) < ownClasses(setting);
