/** node dist/test/docs/writeOptionDocs.js: writes docs/options.md anew. */
import { writeFileSync } from 'node:fs';
import { FILE, optionDocs } from './optionDocs.js';

writeFileSync(FILE, optionDocs());
