// Whether what was said of a run is right.
const POINTS = 0.03;

/** What is not right, and why it stays so. */
const KNOWN = {
  '10 classes scaled-bn sgd, rate × 30': 'with Adam it learns well from steps that are wider still',
  '2 classes l2-softmax sgd':
    'fails with this seed alone; its steps are no wider than those of others that learn',
  '2 classes l2-softmax rate × 1000': 'within half a point of failing, by steps wider than the weights',
  '500 classes scaled-bn defaults':
    'a batch of 32 has few of 500 classes to take statistics of, but with SGD it learns',
};

/** A run that fails must be told its cause, and nothing may be said of another. */
export function judge(run, softmaxAccuracy) {
  const behind = softmaxAccuracy - run.accuracy;
  const fails = behind > POINTS;
  const said = [...new Set(run.history.flatMap(({ diagnoses }) => diagnoses.map(({ name }) => name)))];
  const named = run.diverged ? ['diverged'] : said;
  const right = fails
    ? run.diverged !== undefined || run.causes.some((cause) => named.includes(cause))
    : named.length === 0;
  const known = right ? undefined : KNOWN[`${run.set} ${run.head} ${run.condition}`];
  return { ...run, behind, fails, said: named, right, ...(known && { known }) };
}

const percent = (share) => `${(100 * share).toFixed(1)}`;

export const table = {
  heading:
    '| classes | head | condition | test accuracy % | behind softmax | fails | said | right |\n|---|---|---|---|---|---|---|---|',
  row: ({ set, head, condition, accuracy, behind, fails, said, right, known }) =>
    `| ${[set.split(' ')[0], head, condition, percent(accuracy), percent(behind), fails ? 'yes' : '', said.join(', '), right ? 'yes' : `**no**${known ? `: ${known}` : ''}`].join(' | ')} |`,
  counts: (runs) => {
    const of = (choose) => runs.filter(choose).length;
    return (
      `${runs.length} runs: ${of(({ fails }) => fails)} fail, ` +
      `${of(({ fails, right }) => fails && !right)} of them without their cause being named; ` +
      `of the ${of(({ fails }) => !fails)} others ${of(({ fails, right }) => !fails && !right)} were said to go wrong.`
    );
  },
  kept: ({ history, learningRate, ...run }) => ({
    ...run,
    epochs: history.map(({ accuracy, diagnoses }) => ({ accuracy, said: diagnoses.map(({ name }) => name) })),
  }),
};
