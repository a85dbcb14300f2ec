import { labelsOf, type Samples } from './samples.js';

/** Named in the message, of possibly millions. */
const SHOWN = 5;

/** What to tell a user some of whose classes have no training image; undefined where all have. */
export function describeEmptyClasses(train: Samples, classNames: readonly string[]): string | undefined {
  const present = new Uint8Array(classNames.length);
  for (const label of labelsOf(train)) present[label] = 1;
  const empty = Array.from(present.keys()).filter((label) => present[label] === 0);
  if (empty.length === 0) return undefined;

  const occurring = classNames.length - empty.length;
  const numbered = classNames.every((name, label) => name === String(label));
  const shown = empty.slice(0, SHOWN).map((label) => (numbered ? label : `${label} '${classNames[label]}'`));
  const names = `${shown.join(', ')}${empty.length > SHOWN ? ', …' : ''}`;
  const found =
    empty.length === 1
      ? `Class ${names} of ${classNames.length} has no training image`
      : `${empty.length} of ${classNames.length} classes have no training image: ${names}`;
  if (occurring === 1) return `${found}. All images are of one class, so there is nothing to tell apart`;
  if (!numbered) return `${found}. Nothing will be told to be of such a class`;
  return empty.length === 1 && empty[0] === 0
    ? `${found}: labels count from 0. Subtract 1 where yours count from 1`
    : `${found}. Labels are class numbers from 0 without gaps: where yours are identity numbers, number the ` +
        `${occurring} that occur from 0`;
}
