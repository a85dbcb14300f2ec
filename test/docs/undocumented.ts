// What scripts/site/build.mjs has to refuse: nobody says what this is, nor what it takes.
interface Hidden {
  readonly value: number;
}

export const bare = (hidden: Hidden): number => hidden.value;
