/** JSON of strangers: how much of it there is, and how deep it goes, is known before memory is taken for it. */

export interface JsonLimits {
  /** Objects and lists within one another. */
  readonly depth: number;
  /** Objects and lists in all. */
  readonly count: number;
}

/** Throws an Error that says what is wrong. */
export function parseJson(
  text: string,
  limits: JsonLimits,
  reviver?: (key: string, value: unknown) => unknown,
): unknown {
  expectWithin(text, limits);
  return JSON.parse(text, reviver);
}

function expectWithin(text: string, limits: JsonLimits): void {
  let depth = 0;
  let count = 0;
  let isText = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (isText) {
      if (character === BACKSLASH) i++;
      else if (character === QUOTE) isText = false;
    } else if (character === QUOTE) isText = true;
    else if (character === BRACE || character === BRACKET) {
      depth++;
      count++;
      if (depth > limits.depth) throw new Error(`it goes deeper than ${limits.depth}`);
      if (count > limits.count) throw new Error(`it has more than ${limits.count} objects and lists`);
    } else if (character === END_OF_BRACE || character === END_OF_BRACKET) depth--;
  }
}

const [QUOTE, BACKSLASH, BRACE, BRACKET, END_OF_BRACE, END_OF_BRACKET] = Array.from('"\\{[}]', (each) =>
  each.charCodeAt(0),
);
