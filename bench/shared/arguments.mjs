/** What the options of several commands mean. Each throws an Error with a message for the user. */

/** All that there are, or those of a list. */
export function someOf(kind, list, known) {
  const chosen = list?.split(',') ?? known;
  const unknown = chosen.filter((name) => !known.includes(name));
  if (unknown.length === 0) return chosen;
  throw new Error(`Unknown ${kind} ${unknown.join(', ')}: there are ${known.join(', ')}`);
}

export function positiveInteger(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`Expected a positive integer for ${name} but received ${text}`);
  return value;
}
