// Bundles what lib/report/charts/parts.ts takes of ECharts into dist/, with its licence beside it.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

await build({
  entryPoints: [path('lib/report/charts/parts.ts')],
  outfile: path('dist/lib/report/charts/library.js'),
  ...{ bundle: true, minify: true, platform: 'node', target: 'node20', format: 'cjs' },
  legalComments: 'linked',
  logLevel: 'warning',
});
