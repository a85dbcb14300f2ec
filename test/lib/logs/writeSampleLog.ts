/** Writes what TensorBoard's reader is asked about: `node dist/test/lib/logs/writeSampleLog.js`, then `python read_events.py sample.tfevents > sample.json`. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../lib/base/packageRoot.js';
import { isEventFile } from '../../../lib/logs/eventFile.js';
import { writeLog } from './sampleLog.js';

const folder = mkdtempSync(join(tmpdir(), 'margincore-log-'));
writeLog(folder).then(() => {
  const name = readdirSync(folder).find(isEventFile)!;
  copyFileSync(join(folder, name), join(packageRoot(), 'test/lib/logs/sample.tfevents'));
  rmSync(folder, { recursive: true });
});
