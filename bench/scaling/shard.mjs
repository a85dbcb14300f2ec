/** Classes that a rank keeps. */
export const ownClasses = ({ classes, ranks }) => classes / ranks;

/**
 * Of these, how many it computes with in a step: the drawn ones and the targets, at most all. A rank's share of the batch's
 * targets is as many as the rows of one rank; `slots: 'all'` keeps room for the whole batch's instead, which never
 * overflows, whichever classes a batch has.
 */
export function columnsOf(setting) {
  const { share, rows, ranks, slots } = setting;
  const own = ownClasses(setting);
  return Math.min(own, share * own + (slots === 'all' ? rows : rows / ranks));
}

export const isSampled = (setting) => columnsOf(setting) < ownClasses(setting);
