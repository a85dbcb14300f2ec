/**
 * A model in the browser: trains one in some seconds, exports it as ONNX, and serves a page on this machine that runs it on
 * what you draw.
 *
 *     node dist/examples/browser/main.js                  clothes, from the bundled sample
 *     node dist/examples/browser/main.js --data FOLDER    MNIST's IDX files, or any other grey images in that format
 *
 * With `--output FOLDER` (default build/browser) the page and all it needs are in that folder, for any web server.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { datasets } from '../../lib/index.js';
import { buildSite } from './buildSite.js';
import { serve } from './serve.js';

/** Images that training sees, some seconds on two cores; but all of them some times. */
const IMAGES_SEEN = 60_000;
const FEWEST_EPOCHS = 3;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      output: { type: 'string', default: 'build/browser' },
      port: { type: 'string', default: '8080' },
      epochs: { type: 'string' },
    },
  });
  const data = await (values.data === undefined ? datasets.fashionMnistSample() : datasets.idx(values.data));
  const epochs = Number(
    values.epochs ?? Math.max(FEWEST_EPOCHS, Math.ceil(IMAGES_SEEN / data.train.labels.length)),
  );
  const folder = resolve(values.output);

  const model = await buildSite(data, folder, { epochs, progress: true });
  model.dispose();
  const { url } = await serve(folder, Number(values.port));
  console.log(`The page and all it needs: ${folder}`);
  console.log(`Open ${url} (Ctrl-C ends it)`);
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
