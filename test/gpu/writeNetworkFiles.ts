/** node dist/test/gpu/writeNetworkFiles.js: makes the files in networks/ anew. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDER, networkFiles } from './networkFiles.js';

mkdirSync(FOLDER, { recursive: true });
for (const [name, text] of networkFiles()) writeFileSync(join(FOLDER, name), text);
