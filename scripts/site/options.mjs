/** What the site is made of, and what is refused: TypeDoc's options. */
import { fileURLToPath } from 'node:url';

export const inRoot = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Of types that are spelt out where they are used, or that only compute another. */
const HELPERS = [
  ...['lib/training/job.ts:NotRepeated', 'lib/training/job.ts:WhereGiven', 'lib/training/job.ts:Plain'],
  ...[
    'lib/comparison/grid.ts:Varied',
    'lib/heads/headLoss.ts:WithoutTraining',
    'lib/training/runNote.ts:CodeOf',
  ],
  ...['lib/tuning/findLearningRate.ts:NOT_OF_A_SEARCH', 'lib/experiments/recipe.ts:NOT_OF_A_RECIPE'],
  ...['lib/native/contract.ts:NativeBackend'],
];

export const options = {
  name: 'margincore',
  // tsc has looked at them.
  skipErrorChecking: true,
  tsconfig: inRoot('tsconfig.json'),
  basePath: inRoot(''),
  readme: inRoot('README.md'),
  projectDocuments: [inRoot('docs/*.md'), inRoot('SECURITY.md')],
  includeVersion: true,
  excludeInternal: true,
  disableSources: true,
  disableGit: true,
  githubPages: false,
  intentionallyNotExported: HELPERS,
  validation: {
    notExported: true,
    invalidLink: true,
    invalidPath: true,
    rewrittenLink: true,
    notDocumented: true,
  },
  // Whatever can be called or named; what the fields of a plain object are, their names and types say.
  requiredToBeDocumented: [
    ...['Variable', 'Function', 'Class', 'Interface', 'TypeAlias'],
    ...['Constructor', 'Method', 'Accessor'],
  ],
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};
